/* SPDX-License-Identifier: Apache-2.0
 *
 * One line of text to a sink. Texts may quote a peer, so control bytes never reach the sink. */
#include "base/log.h"

#include <stdio.h>

void log_line(const struct log *log, const char *fmt, ...)
{
    if (log == NULL || log->line == NULL)
        return;
    char text[1001];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (n < 0)
        return;
    for (char *p = text; *p != '\0'; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = ' ';
    log->line(log->context, text);
}
