/* SPDX-License-Identifier: Apache-2.0
 *
 * The parser of command lines. */
#include "cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_NAMES 128

/* ---- near misses --------------------------------------------------------------------------- */

/* Levenshtein's distance of two short names. */
static size_t distance(const char *a, const char *b)
{
    size_t row[64], n = strlen(b);
    if (n >= 64)
        return n;
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        size_t corner = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t change = corner + (a[i - 1] != b[j - 1]);
            corner = row[j];
            size_t shift = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            row[j] = change < shift ? change : shift;
        }
    }
    return row[n];
}

const char *cli_nearest(const char *text, const char *const *names, size_t count)
{
    const char *best = NULL;
    size_t length = strlen(text), best_distance = length / 3 + 2;
    for (size_t i = 0; i < count; i++) {
        size_t d = distance(text, names[i]);
        if (length >= 3 && strncmp(names[i], text, length) == 0)
            d = 1; /* the beginning of a name */
        if (d < best_distance && d < strlen(names[i])) {
            best = names[i];
            best_distance = d;
        }
    }
    return best;
}

bool cli_takes(const struct cli_command *command, const mp2ml_option_info *info)
{
    for (size_t i = 0; command->without && command->without[i]; i++)
        if (strcmp(command->without[i], info->name) == 0)
            return false;
    for (const struct cli_flag *f = command->flags; f && f->name; f++)
        if (strcmp(f->name, info->name) == 0)
            return false;
    return (info->users & command->users) != 0;
}

static int unknown_flag(const struct cli_command *command, const char *name)
{
    const char *names[MAX_NAMES] = {"help"};
    size_t n = 1;
    bool elsewhere = false;
    for (const struct cli_flag *f = command->flags; f && f->name && n < MAX_NAMES; f++)
        names[n++] = f->name;
    for (size_t i = 0; mp2ml_option(i) && n < MAX_NAMES; i++) {
        if (cli_takes(command, mp2ml_option(i)))
            names[n++] = mp2ml_option(i)->name;
        else if (strcmp(mp2ml_option(i)->name, name) == 0)
            elsewhere = true;
    }
    const char *near = cli_nearest(name, names, n);
    if (elsewhere)
        return app_usage(command->name, "--%s is not a flag of this command", name);
    if (near)
        return app_usage(command->name, "unknown flag --%s; did you mean --%s?", name, near);
    return app_usage(command->name, "unknown flag --%s", name);
}

/* ---- parsing ------------------------------------------------------------------------------- */

struct words {
    int at, count;
    char **all;
};

/* The value behind a flag, as a word of its own. */
static const char *next_value(struct words *w)
{
    if (w->at >= w->count || strncmp(w->all[w->at], "--", 2) == 0)
        return NULL;
    return w->all[w->at++];
}

static const struct cli_flag *own_flag(const struct cli_command *command, const char *name)
{
    for (const struct cli_flag *f = command->flags; f && f->name; f++)
        if (strcmp(f->name, name) == 0)
            return f;
    return NULL;
}

static const mp2ml_option_info *table_flag(const struct cli_command *command, const char *name)
{
    for (size_t i = 0; mp2ml_option(i); i++)
        if (strcmp(mp2ml_option(i)->name, name) == 0 && cli_takes(command, mp2ml_option(i)))
            return mp2ml_option(i);
    return NULL;
}

int cli_set(const struct cli *cli, const char *name, const char *value)
{
    mp2ml_error error = {MP2ML_OK, ""};
    mp2ml_status status = mp2ml_options_set(cli->options, name, value, &error);
    if (status == MP2ML_OK)
        return APP_DONE;
    if (status != MP2ML_ERR_ARGUMENT)
        return app_fail_error(&error);
    return app_usage(cli->command->name, "%s", error.text);
}

/* inline_value: what stood behind "=", or NULL. */
static int parse_own(struct cli *cli, const struct cli_flag *flag, const char *inline_value,
                     struct words *w)
{
    struct cli_value v = {flag->name, "1", NULL, NULL};
    if (flag->values == 0 && inline_value)
        return app_usage(cli->command->name, "--%s takes no value", flag->name);
    if (flag->values == 1)
        v.value = inline_value ? inline_value : next_value(w);
    if (flag->values == 2) {
        v.value = inline_value ? NULL : next_value(w);
        v.second = v.value ? next_value(w) : NULL;
    }
    if (!v.value || v.value[0] == '\0' || (flag->values == 2 && !v.second))
        return app_usage(cli->command->name, "--%s needs %s", flag->name, flag->argument);
    cli->values[cli->n_values++] = v;
    return APP_DONE;
}

static int parse_table(struct cli *cli, const mp2ml_option_info *info, const char *inline_value,
                       struct words *w)
{
    struct cli_value v = {info->name, inline_value, NULL, info};
    if (!v.value)
        v.value = info->argument ? next_value(w) : "1";
    if (!v.value)
        return app_usage(cli->command->name, "--%s needs %s", info->name, info->argument);
    cli->values[cli->n_values++] = v;
    return cli_set(cli, info->name, v.value);
}

/* word: "--name" or "--name=value"; it is cut at the "=". */
static int parse_flag(struct cli *cli, char *word, struct words *w)
{
    char *name = word + 2, *equals = strchr(name, '=');
    if (equals)
        *equals++ = '\0';
    const struct cli_flag *own = own_flag(cli->command, name);
    if (own)
        return parse_own(cli, own, equals, w);
    const mp2ml_option_info *info = table_flag(cli->command, name);
    if (info)
        return parse_table(cli, info, equals, w);
    return unknown_flag(cli->command, name);
}

static int parse(struct cli *cli, struct words *w)
{
    const struct cli_command *command = cli->command;
    bool flags = true;
    while (w->at < w->count) {
        char *word = w->all[w->at++];
        if (flags && strcmp(word, "--") == 0) {
            flags = false;
        } else if (flags && strncmp(word, "--", 2) == 0) {
            int result = parse_flag(cli, word, w);
            if (result != APP_DONE)
                return result;
        } else if (flags && word[0] == '-' && word[1] != '\0') {
            return app_usage(command->name, "unknown flag %s; flags begin with two dashes", word);
        } else if (cli->n_arguments == command->max_arguments) {
            return app_usage(command->name, "'%s' is one argument too many; usage: mp2ml %s %s",
                             word, command->name, command->arguments);
        } else {
            cli->arguments[cli->n_arguments++] = word;
        }
    }
    if (cli->n_arguments < command->min_arguments)
        return app_usage(command->name, "an argument is missing; usage: mp2ml %s %s", command->name,
                         command->arguments);
    return APP_DONE;
}

static bool asks_for_help(int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

int cli_run(const struct cli_command *command, int argc, char **argv)
{
    if (asks_for_help(argc, argv)) {
        cli_help(command);
        return APP_DONE;
    }
    if (command->run_raw)
        return command->run_raw(argc, argv);
    struct cli cli = {.command = command, .options = mp2ml_options_new()};
    struct words words = {0, argc, argv};
    int result = APP_FAILED;
    cli.values = calloc((size_t)argc + 1, sizeof(*cli.values));
    if (!cli.options || !cli.values) {
        app_fail("out of memory");
    } else {
        result = parse(&cli, &words);
        if (result == APP_DONE)
            result = command->run(&cli);
    }
    free(cli.values);
    mp2ml_options_free(cli.options);
    return result;
}

/* ---- values -------------------------------------------------------------------------------- */

const char *cli_last(const struct cli *cli, const char *name)
{
    const char *value = NULL;
    for (size_t i = 0; i < cli->n_values; i++)
        if (strcmp(cli->values[i].name, name) == 0)
            value = cli->values[i].value;
    return value;
}

const char *cli_nth(const struct cli *cli, const char *name, size_t i)
{
    for (size_t v = 0; v < cli->n_values; v++)
        if (strcmp(cli->values[v].name, name) == 0 && i-- == 0)
            return cli->values[v].value;
    return NULL;
}
