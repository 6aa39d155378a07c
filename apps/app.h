/* SPDX-License-Identifier: Apache-2.0
 *
 * The program `mp2ml`: what its subcommands share. One file a subcommand (cmd_*.c), each exporting
 * one struct cli_command; mp2ml.c picks one. Apart from the C library the program sees mp2ml.h
 * only.
 *
 * Exit codes: 0 done; 1 refused or failed, with one line on standard error; 2 wrong usage,
 * likewise. Read in this order: cli.h, mp2ml.c, cmd_plan.c, cmd_serve.c, predict.h, cmd_predict.c,
 * cmd_bench.c. */
#ifndef APPS_APP_H
#define APPS_APP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "mp2ml.h"

enum app_exit { APP_DONE = 0, APP_FAILED = 1, APP_USAGE = 2 };

#define APP_DEFAULT_PORT 34000

/* Prints "mp2ml: ..." as exactly one line (control characters become spaces); APP_FAILED. */
int app_fail(const char *fmt, ...) MP2ML_PRINTF(1, 2);
/* The same for a failed call of the library. */
int app_fail_error(const mp2ml_error *error);
/* Prints "mp2ml COMMAND: ..." as one line with a pointer to --help; APP_USAGE. */
int app_usage(const char *command, const char *fmt, ...) MP2ML_PRINTF(2, 3);

/* Seconds of a clock that never goes back. */
double app_seconds(void);

/* "1.5 MB" and the like (powers of 1000) to text[size], which is returned. */
char *app_bytes(char *text, size_t size, double bytes);
/* "(n, 28, 28, 1)", with first = NULL without the n. text[size] is returned. */
char *app_shape(char *text, size_t size, const char *first, const size_t *dims, unsigned rank);
/* Writes text as a JSON string, quotes included. */
void app_json_string(FILE *f, const char *text);
/* A number, or null where JSON has none. */
void app_json_number(FILE *f, const char *key, double value);

/* Splits HOST, HOST:PORT, [V6], [V6]:PORT or a bare V6 address. False when the text is none. */
bool app_address(const char *text, char *host, size_t host_size, uint16_t *port);
/* "HOST:PORT", with brackets around a V6 address. */
char *app_address_text(char *text, size_t size, const char *host, uint16_t port);

/* A whole number from low to high, nothing behind it. */
bool app_number(const char *text, size_t low, size_t high, size_t *out);

/* Writes a file under a temporary name, then renames it; APP_DONE or APP_FAILED with its line. */
int app_write_file(const char *path, const char *text);

/* The folder of this executable, with a slash at its end, to path[size]; false when unknown. */
bool app_own_folder(char *path, size_t size);

#endif
