/* SPDX-License-Identifier: Apache-2.0
 *
 * The subcommands, each in its own file. */
#ifndef APPS_COMMANDS_H
#define APPS_COMMANDS_H

#include "cli.h"

extern const struct cli_command cmd_serve;
extern const struct cli_command cmd_predict;
extern const struct cli_command cmd_plan;
extern const struct cli_command cmd_bench;
extern const struct cli_command cmd_convert;

#endif
