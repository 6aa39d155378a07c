/* SPDX-License-Identifier: Apache-2.0
 *
 * The public part of a packing: boxes, their places, bytes and checks. */
#include "plan/packing.h"

#include <stdlib.h>
#include <string.h>

#include "ckks/ckks.h"

#define BOX_BYTES (4 * (2 + 3 * PACKING_AXES))

static size_t box_places(const struct packing_box *b)
{
    size_t n = 1;
    for (unsigned a = 0; a < PACKING_AXES; a++)
        n *= b->size[a];
    return n;
}

size_t packing_places(const struct packing_box *boxes, uint32_t n_boxes)
{
    size_t n = 0;
    for (uint32_t i = 0; i < n_boxes; i++)
        n += box_places(&boxes[i]);
    return n;
}

/* Those of the axes from `axis` on, the others' part of the position being `at`. */
static size_t box_below(const struct packing_box *b, unsigned axis, uint64_t at, uint64_t position)
{
    uint64_t last = at;
    size_t all = 1;
    for (unsigned a = axis; a < PACKING_AXES; a++) {
        last += (uint64_t)(b->size[a] - 1) * b->position_stride[a];
        all *= b->size[a];
    }
    if (last < position)
        return all;
    if (at >= position)
        return 0;
    size_t n = 0; /* at < position <= last: there is an axis left */
    for (uint32_t i = 0; i < b->size[axis]; i++)
        n += box_below(b, axis + 1, at + (uint64_t)i * b->position_stride[axis], position);
    return n;
}

size_t packing_places_below(const struct packing_box *boxes, uint32_t n_boxes, uint64_t position)
{
    size_t n = 0;
    for (uint32_t i = 0; i < n_boxes; i++)
        n += box_below(&boxes[i], 0, boxes[i].position, position);
    return n;
}

/* Numbers of place i of a box, the last axis fastest. */
static void place(const struct packing_box *b, size_t i, uint32_t *value, uint32_t *position)
{
    *value = b->value;
    *position = b->position;
    for (unsigned a = PACKING_AXES; a-- > 0;) {
        uint32_t at = (uint32_t)(i % b->size[a]);
        *value += at * b->value_stride[a];
        *position += at * b->position_stride[a];
        i /= b->size[a];
    }
}

void packing_expand(uint32_t *value, uint32_t *position, const struct packing_box *boxes,
                    uint32_t n_boxes)
{
    for (const struct packing_box *b = boxes; b < boxes + n_boxes; b++) {
        uint32_t at[PACKING_AXES] = {0}, v = b->value, p = b->position;
        for (size_t left = box_places(b); left > 0; left--) {
            *value++ = v;
            *position++ = p;
            for (unsigned a = PACKING_AXES; a-- > 0;) { /* the last axis fastest */
                v += b->value_stride[a];
                p += b->position_stride[a];
                if (++at[a] < b->size[a])
                    break;
                v -= b->size[a] * b->value_stride[a];
                p -= b->size[a] * b->position_stride[a];
                at[a] = 0;
            }
        }
    }
}

void packing_wipe(struct packing *p)
{
    free(p->in);
    free(p->out);
    memset(p, 0, sizeof *p);
}

static bool copy_boxes(struct packing_box **out, const struct packing_box *in, uint32_t n)
{
    *out = calloc((size_t)n + 1, sizeof **out);
    if (*out != NULL && n > 0)
        memcpy(*out, in, n * sizeof **out);
    return *out != NULL;
}

mp2ml_status packing_copy(struct packing *out, const struct packing *in)
{
    *out = *in;
    bool ok = copy_boxes(&out->in, in->in, in->n_in);
    ok = copy_boxes(&out->out, in->out, in->n_out) && ok;
    if (!ok)
        packing_wipe(out);
    return ok ? MP2ML_OK : MP2ML_ERR_MEMORY;
}

/* ---- bytes: u32 in_cts, u32 out_cts, u32 boxes in, boxes, u32 boxes out, boxes --------------- */

static void write_boxes(struct writer *w, const struct packing_box *boxes, uint32_t n)
{
    writer_u32(w, n);
    for (uint32_t i = 0; i < n; i++) {
        writer_u32(w, boxes[i].value);
        writer_u32(w, boxes[i].position);
        for (unsigned a = 0; a < PACKING_AXES; a++) {
            writer_u32(w, boxes[i].size[a]);
            writer_u32(w, boxes[i].value_stride[a]);
            writer_u32(w, boxes[i].position_stride[a]);
        }
    }
}

void packing_write(struct writer *w, const struct packing *p)
{
    writer_u32(w, p->in_cts);
    writer_u32(w, p->out_cts);
    write_boxes(w, p->in, p->n_in);
    write_boxes(w, p->out, p->n_out);
}

/* Every value below `values`, every position below `positions`; sums that cannot overflow. */
static bool box_is_legal(const struct packing_box *b, uint64_t values, uint64_t positions)
{
    uint64_t value = b->value, position = b->position, n = 1;
    for (unsigned a = 0; a < PACKING_AXES; a++) {
        if (b->size[a] < 1 || (n *= b->size[a]) > positions)
            return false;
        value += (uint64_t)(b->size[a] - 1) * b->value_stride[a];
        position += (uint64_t)(b->size[a] - 1) * b->position_stride[a];
        if (value >= values || position >= positions)
            return false;
    }
    return true;
}

/* Boxes that together have at most `most` places. */
static mp2ml_status read_boxes(struct packing_box **out, uint32_t *n, struct reader *r,
                               uint64_t values, uint64_t positions, uint64_t most)
{
    *n = reader_u32(r);
    if (r->failed || *n < 1 || *n > (size_t)(r->end - r->at) / BOX_BYTES)
        return MP2ML_ERR_PROTOCOL;
    *out = calloc(*n, sizeof **out);
    if (*out == NULL)
        return MP2ML_ERR_MEMORY;
    uint64_t places = 0;
    for (uint32_t i = 0; i < *n; i++) {
        struct packing_box *b = &(*out)[i];
        b->value = reader_u32(r);
        b->position = reader_u32(r);
        for (unsigned a = 0; a < PACKING_AXES; a++) {
            b->size[a] = reader_u32(r);
            b->value_stride[a] = reader_u32(r);
            b->position_stride[a] = reader_u32(r);
        }
        if (r->failed || !box_is_legal(b, values, positions) || (places += box_places(b)) > most)
            return MP2ML_ERR_PROTOCOL;
    }
    return MP2ML_OK;
}

/* Marks bit i; false when it was marked. */
static bool mark(uint8_t *bits, uint32_t i)
{
    const uint8_t bit = (uint8_t)(1u << i % 8);
    bool fresh = (bits[i / 8] & bit) == 0;
    bits[i / 8] |= bit;
    return fresh;
}

/* No position twice, and where `once`, no value: as many places as values are then all of them. */
static mp2ml_status check_places(const struct packing_box *boxes, uint32_t n, size_t values,
                                 size_t positions, bool once)
{
    uint8_t *position_taken = calloc(positions / 8 + 1, 1);
    uint8_t *value_taken = calloc(values / 8 + 1, 1);
    bool legal = true, memory = position_taken != NULL && value_taken != NULL;
    for (uint32_t b = 0; memory && b < n && legal; b++) {
        size_t places = box_places(&boxes[b]);
        for (size_t i = 0; i < places && legal; i++) {
            uint32_t value, position;
            place(&boxes[b], i, &value, &position);
            legal = mark(position_taken, position) && (!once || mark(value_taken, value));
        }
    }
    free(position_taken);
    free(value_taken);
    return !memory ? MP2ML_ERR_MEMORY : legal ? MP2ML_OK : MP2ML_ERR_PROTOCOL;
}

mp2ml_status packing_read(struct packing *out, struct reader *r, unsigned set, size_t n_in_values,
                          size_t n_out_values)
{
    const struct ckks_params *params = ckks_params(set);
    memset(out, 0, sizeof *out);
    out->in_cts = reader_u32(r);
    out->out_cts = reader_u32(r);
    if (r->failed || params == NULL || out->in_cts < 1 || out->out_cts < 1 ||
        out->in_cts > PACKING_MOST_POSITIONS / params->n ||
        out->out_cts > PACKING_MOST_POSITIONS / params->n)
        return MP2ML_ERR_PROTOCOL;
    const uint64_t in = (uint64_t)out->in_cts * params->n, to = (uint64_t)out->out_cts * params->n;
    const uint64_t copies = (uint64_t)n_in_values * PACKING_MOST_COPIES;
    mp2ml_status status =
        read_boxes(&out->in, &out->n_in, r, n_in_values, in, in < copies ? in : copies);
    if (status == MP2ML_OK)
        status = read_boxes(&out->out, &out->n_out, r, n_out_values, to, n_out_values);
    /* Each result has a place, and no ciphertext is one too many. */
    if (status == MP2ML_OK &&
        (packing_places(out->out, out->n_out) != n_out_values ||
         out->in_cts > packing_places(out->in, out->n_in) || out->out_cts > n_out_values))
        status = MP2ML_ERR_PROTOCOL;
    if (status == MP2ML_OK)
        status = check_places(out->in, out->n_in, n_in_values, in, false);
    if (status == MP2ML_OK)
        status = check_places(out->out, out->n_out, n_out_values, to, true);
    if (status != MP2ML_OK)
        packing_wipe(out);
    return status;
}

void packed_free(struct packed *packed)
{
    if (packed == NULL)
        return;
    packing_wipe(&packed->places);
    free(packed->products);
    free(packed->first);
    free(packed->terms);
    ckks_image_free(atomic_load(&packed->image));
    free(packed);
}
