/* SPDX-License-Identifier: Apache-2.0
 *
 * Usage: conformance [--verbose NAME] FOLDER LIST
 *
 * Runs the node tests below FOLDER that LIST names (a line each: folder, operator, and CONFIRMED
 * where another runtime gave the expected outputs; separated by tabs), prints a table, and ends with
 * 1 when a result is wrong or fewer than GOAL of the confirmed tests of our operators pass. What is
 * not confirmed are random results, inputs that float32 does not hold, and opsets too old for it. Elementwise operators also run with a part of their operands as constants;
 * those variants are counted apart. NAME is a test's, without its folders, with "/1" or "/2" behind
 * it for a variant. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conformance.h"

#define GOAL 0.95
#define CONFIRMED "ORT-1.30-pass"
#define OPERATORS 96
#define REASONS 16

static const char *const ours[] = {
    "Conv",
    "ConvTranspose",
    "Gemm",
    "MatMul",
    "Add",
    "Sub",
    "Mul",
    "Div",
    "Sum",
    "BatchNormalization",
    "Relu",
    "LeakyRelu",
    "PRelu",
    "Clip",
    "HardSigmoid",
    "HardSwish",
    "Abs",
    "Neg",
    "Sign",
    "Min",
    "Max",
    "MaxPool",
    "AveragePool",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "ReduceMean",
    "ReduceSum",
    "ReduceMax",
    "Pad",
    "Concat",
    "Split",
    "Slice",
    "Gather",
    "Flatten",
    "Reshape",
    "Transpose",
    "Squeeze",
    "Unsqueeze",
    "Expand",
    "Resize",
    "Identity",
    "Dropout",
    "Cast",
    "Constant",
    "ConstantOfShape",
    "Shape",
    "ArgMax",
    "Softmax",
    "LogSoftmax",
    "QuantizeLinear",
    "DequantizeLinear",
    "QLinearConv",
    "QLinearMatMul",
};
enum { OURS = sizeof ours / sizeof *ours };

struct reason {
    enum verdict verdict;
    unsigned times;
    char text[CASE_TEXT];
    char first[64]; /* a test that has it */
};

struct tally {
    unsigned tests, of[VERDICTS];
};

struct row {
    char op[32];
    struct tally tally, confirmed; /* all, and of them */
    struct reason reasons[REASONS];
    unsigned n_reasons;
};

struct table {
    struct row rows[OPERATORS]; /* ours first */
    unsigned n_rows;
    struct tally variants;
    struct parties *parties;
    const char *verbose; /* run this one only; or NULL */
};

static struct row *row_of(struct table *t, const char *op)
{
    for (unsigned r = 0; r < t->n_rows; r++)
        if (strcmp(t->rows[r].op, op) == 0)
            return &t->rows[r];
    if (t->n_rows == OPERATORS)
        return NULL;
    struct row *row = &t->rows[t->n_rows++];
    (void)snprintf(row->op, sizeof row->op, "%s", op);
    return row;
}

/* What an error says behind file, node and operator. */
static const char *bare_reason(const char *text)
{
    static const char file[] = "model.onnx: ";
    const char *end = strstr(text, "): ");
    if (end != NULL)
        return end + 3;
    return strncmp(text, file, sizeof file - 1) == 0 ? text + sizeof file - 1 : text;
}

static void add_reason(struct row *row, const struct outcome *outcome, const char *name)
{
    const char *text = bare_reason(outcome->text);
    unsigned r = 0;
    while (r < row->n_reasons &&
           (strcmp(row->reasons[r].text, text) != 0 || row->reasons[r].verdict != outcome->verdict))
        r++;
    if (r == REASONS)
        r = REASONS - 1;
    struct reason *reason = &row->reasons[r];
    if (r == row->n_reasons) {
        row->n_reasons++;
        reason->verdict = outcome->verdict;
        (void)snprintf(reason->text, sizeof reason->text, "%.300s", text);
        (void)snprintf(reason->first, sizeof reason->first, "%s", name);
    }
    reason->times++;
}

static void count(struct tally *tally, enum verdict verdict)
{
    tally->tests++;
    tally->of[verdict]++;
}

static bool run_variant(struct table *t, struct row *row, const char *folder, const char *name,
                        bool confirmed, enum case_variant variant)
{
    struct case_file c;
    struct outcome outcome = {VERDICT_WRONG, "", 0, 0};
    char variant_name[64];
    (void)snprintf(variant_name, sizeof variant_name, variant == CASE_ALL ? "%s" : "%s/%d", name,
                   (int)variant);
    const bool skip = t->verbose != NULL && strcmp(t->verbose, variant_name) != 0;
    if (t->parties == NULL)
        t->parties = parties_new();
    if (t->parties == NULL) {
        fprintf(stderr, "conformance: the two parties cannot make a session\n");
        exit(1);
    }
    const bool read = case_read(&c, folder, variant, outcome.text);
    if (!skip && read)
        case_run(&outcome, t->parties, &c, t->verbose != NULL);
    const bool more = c.operands > 1;
    case_wipe(&c);
    if (skip)
        return more;
    if (t->verbose != NULL)
        printf("%s: verdict %d, bound %.4f %% of the range, %.0f %% of it used. %s\n", variant_name,
               (int)outcome.verdict, 100 * outcome.bound_share, 100 * outcome.used_share,
               outcome.text);
    if (outcome.verdict == VERDICT_WRONG) { /* a session that failed computes no more */
        parties_free(t->parties);
        t->parties = NULL;
    }
    count(variant == CASE_ALL ? &row->tally : &t->variants, outcome.verdict);
    if (variant == CASE_ALL && confirmed)
        count(&row->confirmed, outcome.verdict);
    if (outcome.verdict != VERDICT_PASSED)
        add_reason(row, &outcome, variant_name);
    return more;
}

static void run_test(struct table *t, const char *root, const char *path, const char *op,
                     bool confirmed)
{
    struct row *row = row_of(t, op);
    const char *name = strrchr(path, '/');
    char folder[4096];
    (void)snprintf(folder, sizeof folder, "%s/%s", root, path);
    name = name != NULL ? name + 1 : path;
    if (row == NULL)
        return;
    if (run_variant(t, row, folder, name, confirmed, CASE_ALL)) {
        (void)run_variant(t, row, folder, name, confirmed, CASE_FIRST);
        (void)run_variant(t, row, folder, name, confirmed, CASE_OTHERS);
    }
}

/* ---- printing ------------------------------------------------------------------------------ */

static void add_tally(struct tally *sum, const struct tally *tally)
{
    sum->tests += tally->tests;
    for (unsigned v = 0; v < VERDICTS; v++)
        sum->of[v] += tally->of[v];
}

static void print_tally(const char *what, const struct tally *t)
{
    printf("%-20s %6u %7u %8u %6u %6u\n", what, t->tests, t->of[VERDICT_PASSED],
           t->of[VERDICT_REFUSED], t->of[VERDICT_WIDE], t->of[VERDICT_WRONG]);
}

static void print_row(const struct row *row)
{
    static const char *const names[VERDICTS] = {"passed", "refused", "wide", "WRONG"};
    print_tally(row->op, &row->tally);
    for (unsigned r = 0; r < row->n_reasons; r++) {
        const struct reason *reason = &row->reasons[r];
        printf("    %u %s (%s%s): %s\n", reason->times, names[reason->verdict], reason->first,
               reason->times > 1 ? ", ..." : "", reason->text);
    }
}

static double passed_share(const struct tally *t)
{
    return t->tests > 0 ? (double)t->of[VERDICT_PASSED] / t->tests : 0;
}

static bool print_table(const struct table *t)
{
    struct tally listed = {0}, confirmed = {0}, others = {0};
    printf("%-20s %6s %7s %8s %6s %6s\n", "operator", "tests", "passed", "refused", "wide",
           "wrong");
    for (unsigned r = 0; r < t->n_rows; r++) {
        add_tally(r < OURS ? &listed : &others, &t->rows[r].tally);
        if (r < OURS)
            add_tally(&confirmed, &t->rows[r].confirmed);
        if (t->rows[r].tally.tests > 0)
            print_row(&t->rows[r]);
    }
    printf("\n");
    print_tally("our operators", &listed);
    print_tally("  confirmed ones", &confirmed);
    print_tally("others", &others);
    print_tally("variants", &t->variants);
    const unsigned wrong =
        listed.of[VERDICT_WRONG] + others.of[VERDICT_WRONG] + t->variants.of[VERDICT_WRONG];
    printf(
        "of our operators %.1f %% of all tests pass, %.1f %% of those confirmed; of these at least "
        "%.0f %% must, and no result may be wrong\n",
        100 * passed_share(&listed), 100 * passed_share(&confirmed), 100 * GOAL);
    return wrong == 0 && passed_share(&confirmed) >= GOAL;
}

int main(int argc, char **argv)
{
    static struct table t;
    char line[512];
    if (argc == 5 && strcmp(argv[1], "--verbose") == 0)
        t.verbose = argv[2];
    else if (argc != 3) {
        fprintf(stderr, "usage: conformance [--verbose NAME] FOLDER LIST\n");
        return 2;
    }
    FILE *list = fopen(argv[argc - 1], "r");
    if (list == NULL) {
        perror(argv[argc - 1]);
        return 2;
    }
    for (size_t k = 0; k < OURS; k++)
        (void)row_of(&t, ours[k]);
    while (fgets(line, sizeof line, list) != NULL) {
        char *save = NULL, *path = strtok_r(line, "\t\n", &save);
        const char *op = strtok_r(NULL, "\t\n", &save), *note = strtok_r(NULL, "\t\n", &save);
        if (path != NULL && op != NULL)
            run_test(&t, argv[argc - 2], path, op, note != NULL && strcmp(note, CONFIRMED) == 0);
    }
    (void)fclose(list);
    const bool good = print_table(&t);
    parties_free(t.parties);
    return good || t.verbose != NULL ? 0 : 1;
}
