/* SPDX-License-Identifier: Apache-2.0
 *
 * The status table's names and texts, and the words of an error. */
#include "base/status.h"

#include <stdio.h>
#include <string.h>

const char *mp2ml_status_text(mp2ml_status status)
{
    switch (status) {
#define STATUS_TEXT(name, code, text)                                                              \
    case MP2ML_##name:                                                                             \
        return text;
        MP2ML_STATUS_MAP(STATUS_TEXT)
#undef STATUS_TEXT
    }
    return "unknown status";
}

const char *mp2ml_status_name(mp2ml_status status)
{
    switch (status) {
#define STATUS_NAME(name, code, text)                                                              \
    case MP2ML_##name:                                                                             \
        return #name;
        MP2ML_STATUS_MAP(STATUS_NAME)
#undef STATUS_NAME
    }
    return "UNKNOWN";
}

mp2ml_status status_fail(mp2ml_error *err, mp2ml_status status, const char *fmt, ...)
{
    if (err == NULL)
        return status;
    va_list args;
    va_start(args, fmt);
    if (vsnprintf(err->text, sizeof err->text, fmt, args) < 0)
        err->text[0] = '\0';
    va_end(args);
    err->status = status;
    return status;
}

mp2ml_status status_within(mp2ml_error *err, mp2ml_status status, const char *fmt, ...)
{
    if (err == NULL)
        return status;
    /* Another status in *err is a leftover: the failed call had no err to fill. */
    const char *inner = err->status == status ? err->text : mp2ml_status_text(status);
    char text[sizeof err->text];
    va_list args;
    va_start(args, fmt);
    int used = vsnprintf(text, sizeof text - 2, fmt, args);
    va_end(args);
    size_t n = used < 0 ? 0 : strlen(text);
    text[n++] = ':';
    text[n++] = ' ';
    size_t room = sizeof text - 1 - n; /* too long: the outer words win, the inner are cut */
    size_t take = strnlen(inner, inner == err->text ? sizeof err->text - 1 : SIZE_MAX);
    if (take > room)
        take = room;
    memcpy(text + n, inner, take);
    text[n + take] = '\0';
    memcpy(err->text, text, n + take + 1);
    err->status = status;
    return status;
}
