/* SPDX-License-Identifier: Apache-2.0
 *
 * A link between two parties as the planner and the simulation see it: a round trip and a rate. */
#ifndef BASE_NETWORK_H
#define BASE_NETWORK_H

#include "base/status.h"

struct network {
    double rtt_s;           /* there and back; one way is half of it */
    double bits_per_second; /* each way; INFINITY: no limit */
};

/* Presets by name, and what each stands for; NULL past the last. */
const char *network_preset(size_t i, struct network *out);
/* loopback, lan, wan, fibre, cable or RTT:RATE such as 40ms:100mbit (RTT in us, ms or s; RATE in
 * kbit, mbit or gbit a second). ERR_ARGUMENT names `option` and what it takes. */
MUST_CHECK mp2ml_status network_parse(struct network *out, const char *text, const char *option,
                                      mp2ml_error *err);
/* The preset's name, or RTT:RATE, in out[size]. */
void network_name(const struct network *network, char *out, size_t size);
/* For people: "wan (40 ms, 400 Mbit/s)", without a preset's name "7 ms, 100 Mbit/s". */
void network_describe(const struct network *network, char *out, size_t size);

#endif
