/* SPDX-License-Identifier: Apache-2.0 */
#include "base/network.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    struct network network;
} presets[] = {
    {"loopback", {0, INFINITY}}, {"lan", {0.3e-3, 3e9}},   {"wan", {40e-3, 400e6}},
    {"fibre", {15e-3, 100e6}},   {"cable", {20e-3, 20e6}},
};
#define PRESETS (sizeof presets / sizeof presets[0])

struct unit {
    const char *name;
    double factor;
};

const char *network_preset(size_t i, struct network *out)
{
    if (i >= PRESETS)
        return NULL;
    *out = presets[i].network;
    return presets[i].name;
}

/* A number that is not negative and a unit, all of the n bytes of text. */
static bool parse_quantity(double *out, const char *text, size_t n, const struct unit *units)
{
    char *end = NULL;
    const double value = strtod(text, &end);
    if (end == text || end > text + n || !isfinite(value) || value < 0)
        return false;
    const size_t left = n - (size_t)(end - text);
    for (; units->name != NULL; units++)
        if (strlen(units->name) == left && strncmp(end, units->name, left) == 0) {
            *out = value * units->factor;
            return true;
        }
    return false;
}

mp2ml_status network_parse(struct network *out, const char *text, const char *option,
                           mp2ml_error *err)
{
    static const struct unit times[] = {{"us", 1e-6}, {"ms", 1e-3}, {"s", 1}, {NULL, 0}};
    static const struct unit rates[] = {{"kbit", 1e3}, {"mbit", 1e6}, {"gbit", 1e9}, {NULL, 0}};
    for (size_t i = 0; i < PRESETS; i++)
        if (strcmp(text, presets[i].name) == 0) {
            *out = presets[i].network;
            return MP2ML_OK;
        }
    const char *colon = strchr(text, ':');
    if (colon == NULL || !parse_quantity(&out->rtt_s, text, (size_t)(colon - text), times) ||
        !parse_quantity(&out->bits_per_second, colon + 1, strlen(colon + 1), rates) ||
        out->rtt_s > 60 || out->bits_per_second < 1e3)
        return status_fail(err, MP2ML_ERR_ARGUMENT,
                           "--%s takes loopback, lan, wan, fibre, cable or RTT:RATE such as "
                           "40ms:100mbit, not '%s'",
                           option, text);
    return MP2ML_OK;
}

/* NULL where the link is none of the presets. */
static const char *preset_name(const struct network *network)
{
    for (size_t i = 0; i < PRESETS; i++) {
        const struct network *p = &presets[i].network;
        if (!(p->rtt_s < network->rtt_s || p->rtt_s > network->rtt_s) &&
            !(p->bits_per_second < network->bits_per_second ||
              p->bits_per_second > network->bits_per_second))
            return presets[i].name;
    }
    return NULL;
}

void network_name(const struct network *network, char *out, size_t size)
{
    const char *name = preset_name(network);
    if (name != NULL)
        snprintf(out, size, "%s", name);
    else
        snprintf(out, size, "%gms:%gmbit", network->rtt_s * 1e3, network->bits_per_second / 1e6);
}

void network_describe(const struct network *network, char *out, size_t size)
{
    const char *name = preset_name(network);
    if (isinf(network->bits_per_second))
        snprintf(out, size, "%s", name != NULL ? name : "no limit");
    else
        snprintf(out, size, "%s%s%g ms, %g Mbit/s%s", name != NULL ? name : "",
                 name != NULL ? " (" : "", network->rtt_s * 1e3, network->bits_per_second / 1e6,
                 name != NULL ? ")" : "");
}
