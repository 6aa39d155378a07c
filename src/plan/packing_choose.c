/* SPDX-License-Identifier: Apache-2.0
 *
 * Which tiles, how many planes and outs in a ciphertext, and which set: all candidates, priced. */
#include <math.h>

#include "plan/packing_map.h"

/* What a candidate costs: its bytes over a link of this rate, and the work of both parties for a
 * ciphertext of N = 2,048 and one prime; others in proportion. */
#define LINK_BITS 2e9
#define IN_SECONDS 8e-6       /* encrypt, expand c1, two transforms */
#define PRODUCT_SECONDS 1e-6  /* multiply-add of a polynomial on c0 and c1 */
#define OUT_SECONDS 10e-6     /* re-randomise, switch, decode */
#define NORM_SLACK (1 + 1e-6) /* of norms that are kept in floats */

#define MOST_TILES 64u /* along one axis */

/* How large weights are taken to be, on the root mean square. Norms decide how many weights may share
 * a ciphertext, and a client sees how many do: so the norm is not that of the weights but the one that
 * as many weights of the first size would have and, only where that is too small for the weights there
 * are, of the last, which no weight exceeds. One bit of a step's weights shows. */
#define USUAL_WEIGHT (CKKS_MAX_WEIGHT / 4.0)
static const double weight_sizes[] = {USUAL_WEIGHT, CKKS_MAX_WEIGHT};

static uint32_t quotient(uint32_t a, uint32_t b) /* rounded up */
{
    return (a + b - 1) / b;
}

struct candidates {
    const struct packing_map *map;
    const struct plan_step *step;
    const struct ckks_params *params;
    double weight; /* of weight_sizes */
    bool opened, improved;
    struct packing_choice *best;
};

static double square_of(const struct candidates *cs, const struct packing_row *row)
{
    return (double)row->n_taps * cs->weight * cs->weight;
}

static double price(const struct candidates *cs, double in, double out, double products)
{
    const struct ckks_params *p = cs->params;
    double q_bits = 0, n = (double)p->n;
    for (unsigned i = 0; i < p->primes; i++)
        q_bits += p->q_bits[i];
    double bits = in * n * q_bits + out * n * (cs->step->k + p->guard_bits) +
                  (double)cs->step->count * cs->step->k;
    return bits / LINK_BITS +
           p->primes * n / 2048 *
               (in * IN_SECONDS + products * PRODUCT_SECONDS + out * OUT_SECONDS);
}

/* ---- geometry of a tile ---------------------------------------------------------------------- */

/* One axis cut in `tiles`: length of a tile, where it begins in the planes, what it reads of them.
 * One tile holds what there is of the planes, and 0 stands for the rest; a tile among others holds
 * all that it reads, since its neighbours' values lie there. */
static void cut_axis(uint32_t *tile, int32_t *from, uint32_t *extent, uint32_t out, uint32_t in,
                     int32_t low, int32_t high, uint32_t tiles)
{
    *tile = quotient(out, tiles);
    if (tiles > 1) {
        *from = low;
        *extent = (uint32_t)((int32_t)*tile + high - low);
        return;
    }
    int32_t end = (int32_t)out + high < (int32_t)in ? (int32_t)out + high : (int32_t)in;
    *from = low > 0 ? low : 0;
    *extent = end > *from ? (uint32_t)(end - *from) : 1;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Rows and planes as short as the proof in packing_map.h allows. False: longer than a ciphertext. */
static bool lay_tile(struct packing_choice *c, const struct packing_map *map, size_t n)
{
    cut_axis(&c->tile_h, &c->from_y, &c->h, map->out_h, map->most_h, map->low_y, map->high_y,
             c->tiles_y);
    cut_axis(&c->tile_w, &c->from_x, &c->w, map->out_w, map->most_w, map->low_x, map->high_x,
             c->tiles_x);
    int64_t low_y = map->low_y - c->from_y, high_y = map->high_y - c->from_y;
    int64_t low_x = map->low_x - c->from_x, high_x = map->high_x - c->from_x;
    /* Columns left of a plane are those behind the row before. */
    int64_t row = larger(c->w - (low_x < 0 ? low_x : 0), c->tile_w + (high_x > 0 ? high_x : 0));
    int64_t above = low_y * row + low_x; /* the least that any tap meets */
    int64_t below = (c->tile_h - 1 + high_y) * row + c->tile_w - 1 + high_x; /* the most */
    int64_t length = (int64_t)(c->h - 1) * row + c->w;
    int64_t plane = larger(length - (above < 0 ? above : 0), below + 1);
    plane = larger(plane, (int64_t)(c->tile_h - 1) * row + c->tile_w);
    if (plane > (int64_t)n)
        return false;
    c->row = (uint32_t)row;
    c->plane = (uint32_t)plane;
    return true;
}

/* ---- legality -------------------------------------------------------------------------------- */

static bool norm_is_legal(const struct candidates *cs, double square)
{
    double norm2 = sqrt(square) * NORM_SLACK;
    return ckks_norm_fits(cs->params, norm2, cs->step->k) &&
           (!cs->opened ||
            ckks_log2_leak(cs->params, norm2, cs->step->k) <= PACKING_MOST_LOG2_LEAK);
}

static void keep_if_best(struct candidates *cs, struct packing_choice *c, double tiles,
                         double polys, double products)
{
    const double n = (double)cs->params->n;
    if (tiles * c->in_cts * n > (double)PACKING_MOST_POSITIONS ||
        tiles * c->out_cts * n > (double)PACKING_MOST_POSITIONS ||
        polys * n * 8 * cs->params->primes > (double)PACKING_MOST_BYTES ||
        products > (double)PACKING_MOST_TERMS)
        return;
    c->seconds = price(cs, tiles * c->in_cts, tiles * c->out_cts, products);
    if (c->seconds < cs->best->seconds) {
        *cs->best = *c;
        cs->improved = true;
    }
}

/* Polynomials of weights: for each output ciphertext the input ciphertexts between the first and
 * the last plane that it reads. False: a norm too large. */
static bool count_polys(const struct candidates *cs, const struct packing_choice *c, double *polys)
{
    const struct packing_map *map = cs->map;
    *polys = 0;
    for (uint32_t m = 0; m < map->n_outs;) {
        uint32_t first = UINT32_MAX, last = 0, end = m;
        end = c->outs < map->n_outs - m ? m + c->outs : map->n_outs;
        double square = 0;
        for (; m < end; m++) {
            const struct packing_row *row = &map->rows[m];
            first = row->first < first ? row->first : first;
            last = row->last > last ? row->last : last;
            square += square_of(cs, row);
        }
        if (!norm_is_legal(cs, square))
            return false;
        *polys += last / c->planes - first / c->planes + 1;
    }
    return true;
}

/* ---- candidates ------------------------------------------------------------------------------ */

static void consider(struct candidates *cs, struct packing_choice *c, uint32_t room)
{
    const double tiles = (double)c->tiles_y * c->tiles_x;
    const uint32_t n_outs = cs->map->n_outs;
    for (uint32_t outs = room / c->planes; outs > 0; outs /= 2) {
        c->out_cts = quotient(n_outs, outs < n_outs ? outs : n_outs);
        c->outs = quotient(n_outs, c->out_cts);
        double polys;
        if (price(cs, tiles * c->in_cts, tiles * c->out_cts, tiles) >= cs->best->seconds)
            return; /* fewer outs cost more */
        if (!count_polys(cs, c, &polys))
            continue;
        keep_if_best(cs, c, tiles, polys, tiles * polys);
        return;
    }
}

/* All planes of one ciphertext multiplied by the same polynomial. */
static void consider_diagonal(struct candidates *cs, struct packing_choice *c, uint32_t room)
{
    const double tiles = (double)c->tiles_y * c->tiles_x;
    const uint32_t phases = cs->map->phases, n_outs = cs->map->n_outs;
    c->diagonal = true;
    for (uint32_t f = 1; f <= phases && f <= room; f++) {
        uint32_t outs = room / f < n_outs ? room / f : n_outs, chunks = quotient(phases, f);
        c->out_cts = quotient(n_outs, outs);
        c->outs = quotient(n_outs, c->out_cts);
        c->planes = f;
        c->in_cts = c->out_cts * chunks;
        if (norm_is_legal(cs, square_of(cs, &cs->map->rows[0])))
            keep_if_best(cs, c, tiles, chunks, tiles * c->in_cts);
    }
    c->diagonal = false;
}

static void consider_tiles(struct candidates *cs, uint32_t tiles_y, uint32_t tiles_x)
{
    struct packing_choice c = {.set = cs->params->set,
                               .ways = cs->map->ways,
                               .tiles_y = tiles_y,
                               .tiles_x = tiles_x,
                               .seconds = INFINITY};
    if (!lay_tile(&c, cs->map, cs->params->n))
        return;
    double copies = (double)tiles_y * tiles_x * c.h * c.w * cs->map->n_planes;
    if (tiles_y * tiles_x > 1 && copies > (double)PACKING_MOST_COPIES * (double)cs->map->n_in)
        return;
    const uint32_t room = (uint32_t)cs->params->n / c.plane, n_planes = cs->map->n_planes;
    uint32_t before = 0;
    for (uint32_t planes = room < n_planes ? room : n_planes; planes > 0; planes--) {
        c.in_cts = quotient(n_planes, planes);
        c.planes = quotient(n_planes, c.in_cts);
        if (c.planes != before)
            consider(cs, &c, room);
        before = c.planes;
    }
    if (cs->map->phases > 0)
        consider_diagonal(cs, &c, room);
}

/* All candidates for weights of one size. */
static void consider_all(struct candidates *cs)
{
    const struct packing_map *map = cs->map;
    const struct plan_step *step = cs->step;
    for (unsigned set = cs->opened ? CKKS_S2 : CKKS_S1; set <= CKKS_S2; set++) {
        cs->params = ckks_params(set);
        if (step->l > cs->params->max_l || step->k < cs->params->min_k ||
            step->k > cs->params->max_k)
            continue;
        for (uint32_t y = 1; y <= map->out_h && y <= MOST_TILES; y++)
            for (uint32_t x = 1; x <= map->out_w && x <= MOST_TILES; x++)
                /* The same tiles as one fewer would give are not tried twice. */
                if ((y == 1 || quotient(map->out_h, y) != quotient(map->out_h, y - 1)) &&
                    (x == 1 || quotient(map->out_w, x) != quotient(map->out_w, x - 1)))
                    consider_tiles(cs, y, x);
    }
}

/* Sums of squares of integers are exact. */
double packing_norm2(const struct packing_map *map, const struct packing_choice *c)
{
    double most = map->rows[0].square; /* diagonal: the same for every out */
    for (uint32_t m = 0; !c->diagonal && m < map->n_outs;) {
        uint32_t end = c->outs < map->n_outs - m ? m + c->outs : map->n_outs;
        double square = 0;
        for (; m < end; m++)
            square += map->rows[m].square;
        most = fmax(most, square);
    }
    return sqrt(most);
}

bool packing_choose(struct packing_choice *best, const struct packing_map *map,
                    const struct plan_step *step, bool opened)
{
    for (size_t i = 0; i < sizeof weight_sizes / sizeof *weight_sizes; i++) {
        struct packing_choice found = {.seconds = INFINITY};
        struct candidates cs = {
            .map = map, .step = step, .weight = weight_sizes[i], .opened = opened, .best = &found};
        consider_all(&cs);
        if (!cs.improved)
            continue;
        const double norm2 = packing_norm2(map, &found);
        cs.params = ckks_params(found.set);
        if (!norm_is_legal(&cs, norm2 * norm2))
            continue;
        if (found.seconds >= best->seconds)
            return false;
        *best = found;
        return true;
    }
    return false;
}
