/* SPDX-License-Identifier: Apache-2.0
 *
 * Names of classes: read from a text file at the server, sent along with HELLO_S, shown by the
 * client. */
#include <stdlib.h>
#include <string.h>

#include "session/session.h"

void class_names_wipe(struct class_names *names)
{
    for (unsigned i = 0; i < names->count; i++)
        free(names->name[i]);
    free(names->name);
    memset(names, 0, sizeof(*names));
}

static mp2ml_status add_name(struct class_names *names, const char *text)
{
    char **grown = realloc(names->name, (names->count + 1) * sizeof(*grown));
    if (!grown)
        return MP2ML_ERR_MEMORY;
    names->name = grown;
    grown[names->count] = strdup(text);
    if (!grown[names->count])
        return MP2ML_ERR_MEMORY;
    names->count++;
    return MP2ML_OK;
}

/* Without line ends and blanks at the end. */
static void trim(char *line)
{
    size_t n = strlen(line);
    while (n > 0 && strchr(" \t\r\n", line[n - 1]))
        line[--n] = '\0';
}

mp2ml_status class_names_read(struct class_names *names, const char *path, mp2ml_error *err)
{
    char line[PLAN_MAX_NAME + 2];
    FILE *file = fopen(path, "r");
    memset(names, 0, sizeof(*names));
    if (!file)
        return status_fail(err, MP2ML_ERR_IO, "--classes: cannot open %s", path);
    mp2ml_status status = MP2ML_OK;
    while (status == MP2ML_OK && fgets(line, sizeof(line), file)) {
        if (!strchr(line, '\n') && !feof(file))
            status =
                status_fail(err, MP2ML_ERR_ARGUMENT, "--classes: %s: a name of more than %d bytes",
                            path, PLAN_MAX_NAME);
        trim(line);
        if (status == MP2ML_OK && !bytes_are_printable(line))
            status =
                status_fail(err, MP2ML_ERR_ARGUMENT,
                            "--classes: %s: name %u is not printable UTF-8", path, names->count);
        if (status == MP2ML_OK && names->count == CLASS_NAMES_MAX)
            status = status_fail(err, MP2ML_ERR_ARGUMENT, "--classes: %s: more than %d names", path,
                                 CLASS_NAMES_MAX);
        if (status == MP2ML_OK)
            status = add_name(names, line);
    }
    fclose(file);
    return status;
}

/* u16 count, then each name as u16 length and bytes. */
void class_names_write(struct writer *w, const struct class_names *names)
{
    writer_u16(w, (uint16_t)names->count);
    for (unsigned i = 0; i < names->count; i++)
        writer_string(w, names->name[i]);
}

mp2ml_status class_names_parse(struct class_names *names, struct reader *r)
{
    char text[PLAN_MAX_NAME + 1];
    memset(names, 0, sizeof(*names));
    unsigned count = reader_u16(r);
    if (count > CLASS_NAMES_MAX)
        return MP2ML_ERR_PROTOCOL;
    for (unsigned i = 0; i < count; i++) {
        reader_string(r, text, PLAN_MAX_NAME);
        if (r->failed)
            return MP2ML_ERR_PROTOCOL;
        if (!bytes_are_printable(text)) /* nothing that could steer a terminal */
            return MP2ML_ERR_PROTOCOL;
        TRY(add_name(names, text));
    }
    return MP2ML_OK;
}
