/* SPDX-License-Identifier: Apache-2.0
 *
 * mp2ml serve: answers clients until Ctrl-C or SIGTERM. The summary goes to standard output and
 * ends with the line "listening on ADDRESS:PORT", which other programs may wait for; the log goes
 * to standard error. */
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include "commands.h"
#include "progress.h"
#include "stop.h"

static void log_line(void *context, const char *line)
{
    (void)context;
    struct timeval now;
    struct tm utc;
    char when[32];
    gettimeofday(&now, NULL);
    gmtime_r(&now.tv_sec, &utc);
    strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &utc);
    fprintf(stderr, "%s.%03dZ %s\n", when, (int)(now.tv_usec / 1000), line);
}

static void print_summary(const struct cli *cli, const mp2ml_model *model,
                          const mp2ml_server *server, double seconds)
{
    char shape[256], address[320];
    const mp2ml_tensor *t;
    printf("model %s, planned in %.2f s\n", cli->arguments[0], seconds);
    for (size_t i = 0; (t = mp2ml_model_input(model, i)); i++)
        printf("input %s %s, values from %g to %g\n", t->name,
               app_shape(shape, sizeof(shape), "n", t->dims, t->rank), t->low, t->high);
    for (size_t i = 0; (t = mp2ml_model_output(model, i)); i++)
        printf("output %s %s, clients learn %s\n", t->name,
               app_shape(shape, sizeof(shape), "n", t->dims, t->rank),
               t->integers ? "the label only (argmax)" : "the values (logits)");
    if (mp2ml_server_pin(server)[0] != '\0')
        printf("TLS 1.3, clients use --server-pin %s\n", mp2ml_server_pin(server));
    const char *listen = cli_last(cli, "listen");
    app_address_text(address, sizeof(address), listen ? listen : "127.0.0.1",
                     mp2ml_server_port(server));
    printf("listening on %s\n", address);
    fflush(stdout);
}

static void stop_server(void *server)
{
    mp2ml_server_stop(server);
}

static int serve(const struct cli *cli, struct stop *stop, mp2ml_server *server)
{
    mp2ml_error error = {MP2ML_OK, ""};
    char line[96];
    mp2ml_server_set_log(server, log_line, NULL);
    if (cli_last(cli, "insecure-transport") && mp2ml_server_pin(server)[0] == '\0')
        log_line(NULL, "warning: --insecure-transport: nothing proves to clients who this server "
                       "is, and others on the network can read and change what is sent");
    stop_target(stop, stop_server, server);
    mp2ml_status status = mp2ml_server_run(server, &error);
    stop_target(stop, stop_later, NULL);
    if (status != MP2ML_OK)
        return app_fail_error(&error);
    snprintf(line, sizeof(line), "stopped; %llu images answered",
             (unsigned long long)mp2ml_server_images(server));
    log_line(NULL, line);
    return APP_DONE;
}

static int load_and_serve(const struct cli *cli, struct stop *stop)
{
    mp2ml_error error = {MP2ML_OK, ""};
    mp2ml_model *model = NULL;
    mp2ml_server *server = NULL;
    double started = app_seconds();
    if (progress_load(&model, cli, cli->arguments[0], &error) != MP2ML_OK)
        return app_fail_error(&error);
    double seconds = app_seconds() - started;
    int result = APP_FAILED;
    if (mp2ml_server_new(&server, model, cli->options, &error) != MP2ML_OK) {
        app_fail_error(&error);
    } else {
        print_summary(cli, model, server, seconds);
        result = serve(cli, stop, server);
    }
    mp2ml_server_free(server);
    mp2ml_model_free(model);
    return result;
}

static int run(const struct cli *cli)
{
    struct stop stop;
    for (size_t i = 0; i < cli->n_values; i++) {
        const struct cli_value *v = &cli->values[i];
        if (!v->info && strcmp(v->name, "tls") == 0) {
            int result = cli_set(cli, "tls-cert", v->value);
            if (result == APP_DONE)
                result = cli_set(cli, "tls-key", v->second);
            if (result != APP_DONE)
                return result;
        }
    }
    if (stop_begin(&stop) != APP_DONE)
        return APP_FAILED;
    int result = load_and_serve(cli, &stop);
    stop_end(&stop);
    return result;
}

static const struct cli_flag flags[] = {
    {"tls", "CERT KEY", "serve by TLS 1.3 with these PEM files", 2},
    {NULL, NULL, NULL, 0},
};

const struct cli_command cmd_serve = {
    .name = "serve",
    .arguments = "MODEL [flags]",
    .summary = "serve a model to clients whose data stay private",
    .text = "MODEL is an ONNX, TensorFlow (.pb, .pbtxt) or TensorFlow Lite file. Ctrl-C or SIGTERM stops.",
    .flags = flags,
    .users = MP2ML_FOR_MODEL | MP2ML_FOR_SERVER,
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
