/* SPDX-License-Identifier: Apache-2.0
 *
 * mp2ml predict: one request to a server. Files are read and checked before anything is sent, and
 * written only when the whole answer is there; Ctrl-C before that leaves none behind (exit code 1).
 */
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "predict.h"

static void cancel_client(void *client)
{
    mp2ml_client_cancel(client);
}

/* A failed call, in words; a cancelled one by the signal that did it. */
static int fail(struct predict *p, const mp2ml_error *error)
{
    progress_end(&p->progress);
    if (stop_caught(&p->stop))
        return app_fail("interrupted; nothing was written");
    return app_fail_error(error);
}

static int set_plain(struct predict *p)
{
    mp2ml_error error = {MP2ML_OK, ""};
    const char *name;
    for (size_t v = 0; (name = cli_nth(p->cli, "plain", v)); v++) {
        bool all = strcmp(name, "all") == 0;
        int one = all ? -1 : mp2ml_client_find_input(p->client, name);
        if (!all && one < 0)
            return app_fail("--plain %s: the model has no such input", name);
        for (int i = 0; i < (int)p->n_inputs; i++)
            if ((all || i == one) &&
                mp2ml_client_set_plain(p->client, (size_t)i, 1, &error) != MP2ML_OK)
                return app_fail_error(&error);
    }
    return APP_DONE;
}

static int connect_server(struct predict *p)
{
    mp2ml_error error = {MP2ML_OK, ""};
    stop_target(&p->stop, stop_later, NULL); /* progress_call looks at it */
    progress_begin(&p->progress, 0);
    if (mp2ml_client_new(&p->client, p->host, p->port, p->cli->options, progress_call, &p->progress,
                         &error) != MP2ML_OK)
        return fail(p, &error);
    progress_end(&p->progress);
    stop_target(&p->stop, cancel_client, p->client);
    if (stop_caught(&p->stop))
        return app_fail("interrupted; nothing was written");
    return APP_DONE;
}

/* Work ahead of the request, where it is asked for. */
static int prepare(struct predict *p)
{
    mp2ml_error error = {MP2ML_OK, ""};
    const char *text = cli_last(p->cli, "prepare");
    size_t requests = cli_last(p->cli, "precompute") ? 1 : 0;
    if (text && !app_number(text, 0, 1000000, &requests))
        return app_usage("predict", "--prepare takes a whole number, not '%s'", text);
    if (requests > 0 &&
        mp2ml_client_prepare(p->client, requests, p->images, NULL, &error) != MP2ML_OK)
        return fail(p, &error);
    return APP_DONE;
}

static int ask(struct predict *p)
{
    mp2ml_error error = {MP2ML_OK, ""};
    progress_begin(&p->progress, p->images);
    if (mp2ml_client_predict(p->client, p->images, p->inputs, p->outputs, &error) != MP2ML_OK)
        return fail(p, &error);
    progress_end(&p->progress);
    stop_target(&p->stop, stop_later, NULL); /* files are written whole */
    return APP_DONE;
}

static int predict(struct predict *p)
{
    int result = predict_read(p);
    if (result == APP_DONE)
        result = connect_server(p);
    if (result == APP_DONE)
        result = predict_match(p);
    if (result == APP_DONE)
        result = predict_match_labels(p);
    if (result == APP_DONE)
        result = set_plain(p);
    if (result == APP_DONE)
        result = predict_allocate(p);
    if (result == APP_DONE)
        result = predict_match_outputs(p);
    if (result == APP_DONE)
        result = prepare(p);
    if (result == APP_DONE)
        result = ask(p);
    if (result == APP_DONE)
        result = predict_write(p);
    if (result != APP_DONE)
        return result;
    predict_print(p);
    if (p->labels.values)
        predict_print_accuracy(p);
    predict_print_stats(p);
    fflush(stdout);
    stop_target(&p->stop, NULL, NULL);
    return cli_last(p->cli, "check") ? predict_check(p) : APP_DONE;
}

/* The model's options only matter to --check. */
static int check_flags(const struct cli *cli)
{
    for (size_t i = 0; i < cli->n_values; i++) {
        const struct cli_value *v = &cli->values[i];
        if (v->info && !(v->info->users & MP2ML_FOR_CLIENT) && !cli_last(cli, "check"))
            return app_usage(
                "predict", "--%s is for the model of --check, which is not given%s", v->name,
                strcmp(v->name, "reveal") == 0 ? "; --require-reveal asks the server" : "");
    }
    if (!cli_last(cli, "input"))
        return app_usage("predict", "--input FILE is missing");
    return APP_DONE;
}

static int run(const struct cli *cli)
{
    struct predict p;
    memset(&p, 0, sizeof(p));
    p.cli = cli;
    int result = check_flags(cli);
    if (result != APP_DONE)
        return result;
    if (!app_address(cli->arguments[0], p.host, sizeof(p.host), &p.port))
        return app_usage("predict", "'%s' is no HOST, HOST:PORT or [V6 ADDRESS]:PORT",
                         cli->arguments[0]);
    if (stop_begin(&p.stop) != APP_DONE)
        return APP_FAILED;
    progress_init(&p.progress, &p.stop);
    result = predict(&p);
    stop_target(&p.stop, stop_later, NULL); /* before the client goes */
    mp2ml_client_free(p.client);
    predict_wipe(&p);
    stop_end(&p.stop);
    return result;
}

static const struct cli_flag flags[] = {
    {"input", "[NAME=]FILE",
     "samples: .npy, their first axis counts them; CSV, one sample a line; images, or a folder of "
     "them; once for each input of the model, for images also more often",
     1},
    {"resize", NULL, "scale images to the size that the model takes", 0},
    {"output", "[NAME=]FILE.npy",
     "write the predictions there, shape (n, ...); of several outputs NAME says which", 1},
    {"labels", "FILE",
     "print accuracy and confusion against these, .npy or CSV: integers, or rows with one 1", 1},
    {"check", "MODEL", "compare with this model run here; its flags must be those of the server",
     1},
    {"receipt", "FILE", "write what was agreed, sent and could be learned, as JSON", 1},
    {"prepare", "N",
     "do the work that can be done ahead for N requests like this one, before it; one is made and "
     "uses its part, so more than 1 only shows what preparing costs (with --precompute: 1)",
     1},
    {"plain", "NAME|all", "send this input in the clear; repeatable", 1},
    {NULL, NULL, NULL, 0},
};

const struct cli_command cmd_predict = {
    .name = "predict",
    .arguments = "HOST[:PORT] --input FILE [flags]",
    .summary = "get predictions for own data from a server that does not see them",
    .text =
        "The port is 34000 if none is given; a V6 address stands in brackets: [::1]:34000.\n"
        "Images (PNG, JPEG, BMP) go through Python: pip install 'mp2ml[images]'. Their values are\n"
        "taken as they are, 0 to 255, in the order that is printed.\n"
        "Exit code 1 when the request failed, was interrupted, or --check found too large a\n"
        "difference.",
    .flags = flags,
    .users = MP2ML_FOR_CLIENT | MP2ML_FOR_MODEL,
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
