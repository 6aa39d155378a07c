/* SPDX-License-Identifier: Apache-2.0
 *
 * The bar: [=====>    ]  42 %  1234.5 images/s  0:07 left. */
#include "progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BAR 30
#define REDRAW_SECONDS 0.1
#define PATIENCE_SECONDS 1 /* a model that is loaded sooner needs no bar */

void progress_init(struct progress *p, struct stop *stop)
{
    memset(p, 0, sizeof(*p));
    p->stop = stop;
    const char *term = getenv("TERM");
    p->visible = isatty(STDERR_FILENO) && !(term && strcmp(term, "dumb") == 0);
    p->started = app_seconds();
}

void progress_begin(struct progress *p, size_t images)
{
    p->images = images;
    p->started = app_seconds();
    p->last = 0;
}

void progress_end(struct progress *p)
{
    if (p->drawn)
        fprintf(stderr, "\r\033[K");
    p->drawn = false;
}

static void draw(const struct progress *p, double fraction, double now)
{
    char bar[BAR + 1];
    int full = (int)(fraction * BAR);
    for (int i = 0; i < BAR; i++)
        bar[i] = i < full ? '=' : (i == full ? '>' : ' ');
    bar[BAR] = '\0';
    double elapsed = now - p->started;
    fprintf(stderr, "\r\033[K[%s] %3.0f %%", bar, 100 * fraction);
    if (fraction > 0 && elapsed > 0.2 && p->images == 0)
        fprintf(stderr, "  planning");
    if (fraction > 0 && elapsed > 0.2 && p->images > 0) {
        long left = (long)(elapsed / fraction - elapsed);
        fprintf(stderr, "  %.1f images/s  %ld:%02ld left", fraction * (double)p->images / elapsed,
                left / 60, left % 60);
    }
    fflush(stderr);
}

mp2ml_status progress_load(mp2ml_model **model, const struct cli *cli, const char *path,
                           mp2ml_error *error)
{
    struct progress p;
    progress_init(&p, NULL);
    p.last = p.started + PATIENCE_SECONDS;
    mp2ml_options_progress(cli->options, progress_call, &p);
    mp2ml_status status = mp2ml_model_load(model, path, cli->options, error);
    mp2ml_options_progress(cli->options, NULL, NULL);
    progress_end(&p);
    return status;
}

int progress_call(void *context, double fraction)
{
    struct progress *p = context;
    double now = app_seconds();
    if (p->visible && now - p->last >= REDRAW_SECONDS) {
        p->last = now;
        p->drawn = true;
        if (fraction < 0)
            fprintf(stderr, "\r\033[Kconnecting ... %.0f s", now - p->started);
        else
            draw(p, fraction > 1 ? 1 : fraction, now);
    }
    return p->stop && stop_caught(p->stop) ? 1 : 0;
}
