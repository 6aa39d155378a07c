/* SPDX-License-Identifier: Apache-2.0
 *
 * Options: lines of NAME=VALUE; a line starting with '#' and a digit or letter stands for that
 * option of the table. */
#include "fuzz.h"
#include "session/session.h"

static void set_line(mp2ml_options *o, char *line)
{
    char *equals = strchr(line, '=');
    const char *name = line;
    mp2ml_error err = {MP2ML_OK, ""};
    if (equals == NULL)
        return;
    *equals = '\0';
    if (line[0] == '#' && line[1] != '\0') {
        const mp2ml_option_info *info = mp2ml_option((size_t)((unsigned char)line[1] - '0'));
        name = info != NULL ? info->name : line;
    }
    mp2ml_status status = mp2ml_options_set(o, name, equals + 1, &err);
    FUZZ_CHECK(status == MP2ML_OK || err.text[0] != '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    mp2ml_options *o = mp2ml_options_new();
    FUZZ_CHECK(text != NULL && o != NULL);
    if (size != 0)
        memcpy(text, data, size);
    text[size] = '\0';
    for (char *line = text, *next; line != NULL; line = next) {
        next = strchr(line, '\n');
        if (next != NULL)
            *next++ = '\0';
        set_line(o, line);
    }
    FUZZ_CHECK(o->low < o->high && o->max_memory >= 1048576 && o->max_clients >= 1);
    FUZZ_CHECK(o->n_input_node <= OPTIONS_MAX_LIST && o->n_output_node <= OPTIONS_MAX_LIST);
    struct mp2ml_options numbers = options_numbers(o);
    FUZZ_CHECK(numbers.listen == NULL && numbers.ca == NULL);
    mp2ml_options_free(o);
    free(text);
    return 0;
}
