/* SPDX-License-Identifier: Apache-2.0
 *
 * Limits: loops of nothing but one instruction on independent registers, copies, a socket. The best
 * of several runs counts. */
#include "limits.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LOOPS 4000
#define RUNS 20
#define LARGE ((size_t)64 << 20)
#define SMALL ((size_t)16 << 10)
#define SOCKET_BYTES ((size_t)192 << 20)
#define SOCKET_PIECE ((size_t)256 << 10)

/* best = seconds of the fastest run of the statement. */
#define BEST(best, runs, statement)                                                                \
    do {                                                                                           \
        (best) = 1e9;                                                                              \
        for (int run_ = 0; run_ < (runs); run_++) {                                                \
            double from_ = limits_now();                                                           \
            statement;                                                                             \
            from_ = limits_now() - from_;                                                          \
            (best) = from_ < (best) ? from_ : (best);                                              \
        }                                                                                          \
    } while (0)

/* ---- instructions -------------------------------------------------------------------------- */

#if defined(__x86_64__)
#include <cpuid.h>

#define TWELVE(text)                                                                               \
    text(0) text(1) text(2) text(3) text(4) text(5) text(6) text(7) text(8) text(9) text(10)       \
        text(11)
#define IFMA(i) "vpmadd52luq %%zmm30, %%zmm31, %%zmm" #i "\n"
#define MADD(i) "vpmaddwd %%ymm14, %%ymm15, %%ymm12\nvpaddd %%ymm12, %%ymm" #i ", %%ymm" #i "\n"
#define AES4(i) "vaesenc %%zmm30, %%zmm" #i ", %%zmm" #i "\n"
#define AES1(i) "vaesenc %%xmm14, %%xmm" #i ", %%xmm" #i "\n"
#define REGISTERS                                                                                  \
    "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",       \
        "xmm11", "xmm12"
#define LOOP(name, text)                                                                           \
    static void name(void)                                                                         \
    {                                                                                              \
        for (int i = 0; i < LOOPS; i++)                                                            \
            __asm__ volatile(TWELVE(text)::: REGISTERS);                                           \
        __asm__ volatile("vzeroupper" ::: REGISTERS); /* else SSE code is slow from now on */      \
    }
LOOP(loop_ifma, IFMA)
LOOP(loop_madd, MADD)
LOOP(loop_aes4, AES4)
LOOP(loop_aes1, AES1)

static void loop_add(void)
{
    uint64_t v = 0;
    for (int i = 0; i < LOOPS; i++)
        __asm__ volatile("add $1, %0\nadd $1, %0\nadd $1, %0\nadd $1, %0\n" : "+r"(v));
}

static void measure_instructions(struct limits *l, enum limits_level level)
{
    double seconds;
    BEST(seconds, RUNS * 5, loop_add());
    l->hertz = 4.0 * LOOPS / seconds;
    if (level == LIMITS_AVX512) {
        BEST(seconds, RUNS * 5, loop_ifma());
        l->multiply_adds = 12.0 * 8 * LOOPS / seconds;
        BEST(seconds, RUNS * 5, loop_aes4());
        l->aes_blocks = 12.0 * 4 / 10 * LOOPS / seconds;
    } else if (level == LIMITS_AVX2) {
        BEST(seconds, RUNS * 5, loop_madd());
        l->multiply_adds = 12.0 * 16 / 3 * LOOPS / seconds;
        BEST(seconds, RUNS * 5, loop_aes1());
        l->aes_blocks = 12.0 / 10 * LOOPS / seconds;
    }
}

static enum limits_level machine_level(void)
{
    unsigned eax, ebx, ecx = 0, edx;
    /* The compiler's function knows what the system saves, but not all names in all compilers. */
    bool aes = __get_cpuid(1, &eax, &ebx, &ecx, &edx) && (ecx & bit_AES) != 0;
    if (!aes || !__builtin_cpu_supports("avx2"))
        return LIMITS_PORTABLE;
    bool vaes = __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && (ecx & bit_VAES) != 0;
    if (!vaes || !__builtin_cpu_supports("avx512ifma") || !__builtin_cpu_supports("avx512vl"))
        return LIMITS_AVX2;
    return LIMITS_AVX512;
}
#else
static void measure_instructions(struct limits *l, enum limits_level level)
{
    (void)l;
    (void)level;
}

static enum limits_level machine_level(void)
{
    return LIMITS_PORTABLE;
}
#endif

const char *limits_level_name(enum limits_level level)
{
    static const char *const names[] = {"portable", "avx2", "avx512"};
    return names[level];
}

enum limits_level limits_level(void)
{
    const char *wanted = getenv("MP2ML_CPU");
    enum limits_level level = machine_level();
    if (!wanted)
        return level;
    while (level > LIMITS_PORTABLE && strcmp(wanted, limits_level_name(level)) != 0)
        level--;
    return level;
}

/* ---- memory -------------------------------------------------------------------------------- */

static double copy(size_t size, size_t times)
{
    char *a = malloc(size), *b = malloc(size);
    double seconds = 0;
    if (a && b) {
        memset(a, 1, size);
        memset(b, 2, size);
        BEST(seconds, RUNS / 2, {
            for (size_t i = 0; i < times; i++) {
                memcpy(a, b, size);
                __asm__ volatile("" ::"r"(a) : "memory");
            }
        });
    }
    free(a);
    free(b);
    return seconds > 0 ? 2.0 * (double)size * (double)times / seconds : 0;
}

void limits_measure(struct limits *l, enum limits_level level)
{
    memset(l, 0, sizeof(*l));
    measure_instructions(l, level);
    l->copy_bytes = copy(LARGE, 1);
    l->cached_bytes = copy(SMALL, 200);
}

/* ---- socket -------------------------------------------------------------------------------- */

static void *write_all(void *argument)
{
    int fd = *(int *)argument;
    char *piece = calloc(1, SOCKET_PIECE);
    for (size_t done = 0; piece && done < SOCKET_BYTES;) {
        ssize_t n = send(fd, piece, SOCKET_PIECE, MSG_NOSIGNAL);
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    free(piece);
    shutdown(fd, SHUT_WR);
    return NULL;
}

static double read_all(int fd)
{
    struct timespec from, to;
    char *piece = malloc(SOCKET_PIECE);
    size_t done = 0;
    ssize_t n = piece ? 1 : 0;
    clock_gettime(CLOCK_MONOTONIC, &from);
    while (n > 0 && (n = recv(fd, piece, SOCKET_PIECE, 0)) > 0)
        done += (size_t)n;
    clock_gettime(CLOCK_MONOTONIC, &to);
    free(piece);
    double seconds = (double)(to.tv_sec - from.tv_sec) + 1e-9 * (double)(to.tv_nsec - from.tv_nsec);
    return done == SOCKET_BYTES ? (double)done / seconds : 0;
}

/* The two ends of a connection over the loopback interface; -1 where there is none. */
static void connect_ends(int ends[2])
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof(address);
    void *plain = &address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ends[0] = ends[1] = -1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (listener >= 0 && bind(listener, plain, size) == 0 && listen(listener, 1) == 0 &&
        getsockname(listener, plain, &size) == 0) {
        ends[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (ends[0] >= 0 && connect(ends[0], plain, size) == 0)
            ends[1] = accept(listener, NULL, NULL);
    }
    if (listener >= 0)
        close(listener);
}

double limits_loopback(void)
{
    int ends[2];
    double rate = 0;
    pthread_t writer;
    connect_ends(ends);
    if (ends[1] >= 0 && pthread_create(&writer, NULL, write_all, &ends[0]) == 0) {
        rate = read_all(ends[1]);
        shutdown(ends[1], SHUT_RDWR); /* ends a writer that nobody reads from */
        pthread_join(writer, NULL);
    }
    for (int i = 0; i < 2; i++)
        if (ends[i] >= 0)
            close(ends[i]);
    return rate;
}
