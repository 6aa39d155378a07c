/* SPDX-License-Identifier: Apache-2.0
 *
 * mp2ml plan: what would happen. */
#include <stdio.h>

#include "commands.h"
#include "progress.h"

/* Exit code 1 when something has no private form. */
static int explain(const struct cli *cli)
{
    mp2ml_error error = {MP2ML_OK, ""};
    char *text = NULL;
    size_t count;
    if (mp2ml_model_explain(cli->arguments[0], cli->options, cli_last(cli, "json") != NULL, &count,
                            &text, &error) != MP2ML_OK)
        return app_fail_error(&error);
    puts(text);
    mp2ml_free(text);
    return count == 0 ? APP_DONE : APP_FAILED;
}

static int run(const struct cli *cli)
{
    if (cli_last(cli, "explain-unsupported"))
        return explain(cli);
    const char *batch = cli_last(cli, "batch");
    size_t images = 1;
    if (batch && !app_number(batch, 1, 1000000000, &images))
        return app_usage("plan", "--batch takes a whole number from 1 on, not '%s'", batch);
    mp2ml_error error = {MP2ML_OK, ""};
    mp2ml_model *model = NULL;
    if (progress_load(&model, cli, cli->arguments[0], &error) != MP2ML_OK)
        return app_fail_error(&error);
    char *text = NULL;
    int result = APP_DONE;
    const bool json = cli_last(cli, "json") != NULL;
    mp2ml_status status = !json && cli_last(cli, "compare")
                              ? mp2ml_model_compare(model, images, &text, &error)
                              : mp2ml_model_plan(model, images, json, &text, &error);
    if (status == MP2ML_OK)
        puts(text);
    else
        result = app_fail_error(&error);
    mp2ml_free(text);
    mp2ml_model_free(model);
    return result;
}

static const struct cli_flag flags[] = {
    {"batch", "N", "plan for so many images in one request (default: 1)", 1},
    {"compare", NULL,
     "print what each layout and engine would cost beside the planner's choice (with --json: in "
     "\"alternatives\")",
     0},
    {"explain-unsupported", NULL,
     "print every node that has no private form, why, and what to write instead; exit code 1 if "
     "there "
     "is any",
     0},
    {"json", NULL, "print one JSON object", 0},
    {NULL, NULL, NULL, 0},
};

const struct cli_command cmd_plan = {
    .name = "plan",
    .arguments = "MODEL [flags]",
    .summary = "show what a private run of a model would cost and what it would reveal",
    .flags = flags,
    .users = MP2ML_FOR_MODEL,
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
