/* SPDX-License-Identifier: Apache-2.0
 *
 * base: what every other folder stands on, and that knows nothing of cryptography or networks.
 *
 *   status.h   one status type for all that can fail, TRY, and the words of an error
 *   arena.h    memory made once and given out in pieces, wiped as a whole
 *   bytes.h    bounded reading and writing of little-endian fields and packed bits
 *   cost.h     the unit in which protocols state what they cost
 *   cpu.h      which instruction sets this run may use (MP2ML_CPU forces a level)
 *   log.h      one line at a time to a sink that the caller chooses
 *   network.h  a link's round trip and rate, with the presets' names
 *   array.h    arrays in files, by npy.h (numpy's .npy) and csv.h (tables in text)
 *   trace.h    what a party does when, for Perfetto */
#ifndef BASE_BASE_H
#define BASE_BASE_H

#include "base/arena.h"
#include "base/array.h"
#include "base/bytes.h"
#include "base/cost.h"
#include "base/cpu.h"
#include "base/csv.h"
#include "base/log.h"
#include "base/network.h"
#include "base/npy.h"
#include "base/status.h"
#include "base/trace.h"

#endif
