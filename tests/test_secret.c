/* SPDX-License-Identifier: Apache-2.0
 *
 * Secret memory: zeroed, aligned, guarded on both sides, wiped before it goes back to the system.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "crypto/crypto.h"
#include "privacy_report.h"

static void test_new(void **state)
{
    (void)state;
    assert_int_equal(secret_init(), MP2ML_OK);
    assert_int_equal(secret_init(), MP2ML_OK);
    for (size_t n = 0; n < 300; n += 13) {
        uint8_t *p = secret_new(n, 3);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 64, 0);
        for (size_t i = 0; i < 3 * n; i++) {
            assert_int_equal(p[i], 0);
            p[i] = 0xff;
        }
        secret_free(p);
    }
    assert_null(secret_new(SIZE_MAX / 2 + 1, 2));
    assert_null(secret_new(SIZE_MAX, 1));
    assert_null(secret_new(SIZE_MAX / 2, 1));
    secret_free(NULL);
}

static void test_wipe(void **state)
{
    (void)state;
    uint8_t x[40];
    memset(x, 0xaa, sizeof x);
    secret_wipe(x + 1, 38);
    assert_int_equal(x[0], 0xaa);
    assert_int_equal(x[39], 0xaa);
    for (size_t i = 1; i < 39; i++)
        assert_int_equal(x[i], 0);
}

/* The signal that ends a child which writes to p. */
static int signal_of_write(volatile uint8_t *p)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        signal(SIGSEGV, SIG_DFL);
        signal(SIGBUS, SIG_DFL);
        *p = 1;
        _exit(0);
    }
    int result = 0;
    assert_int_equal(waitpid(child, &result, 0), child);
    return WIFSIGNALED(result) ? WTERMSIG(result) : 0;
}

static void test_guards(void **state)
{
    (void)state;
    uint8_t *p = secret_new(64, 1);
    assert_non_null(p);
    assert_int_equal(signal_of_write(p), 0);
    assert_int_equal(signal_of_write(p + 63), 0);
    assert_int_equal(signal_of_write(p + 64), SIGSEGV);
    assert_int_equal(signal_of_write(p - 4096), SIGSEGV);
    secret_free(p);
}

/* libsodium gives memory back by munmap: this one, which the dynamic linker finds first, looks for
 * what is left of a secret before the pages go. */
enum { WATCHED = 100 };
static const uint8_t *watched;
static bool met;
static unsigned left; /* bytes that are not zero */

__attribute__((visibility("default"))) int munmap(void *start, size_t n)
{
    const uint8_t *from = start;
    if (watched != NULL && watched >= from && watched < from + n) {
        met = true;
        left = 0;
        for (size_t i = 0; i < WATCHED; i++)
            left += watched[i] != 0;
    }
    return (int)syscall(SYS_munmap, start, n);
}

static void test_wiped_when_freed(void **state)
{
    (void)state;
    uint8_t *p = secret_new(WATCHED, 1);
    assert_non_null(p);
    memset(p, 0x3c, WATCHED);
    watched = p;
    secret_free(p);
    watched = NULL;
    if (!met)
        skip(); /* freed without this munmap: another allocator, or a sanitizer's */
    const unsigned of_secret = left;
    p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(p != MAP_FAILED);
    memset(p, 0x3c, WATCHED);
    watched = p;
    munmap(p, 4096); /* control: as it is */
    watched = NULL;
    privacy_report(10, "bytes of 100 that are left of a secret when its memory goes", of_secret, 1,
                   left);
    assert_int_equal(of_secret, 0);
    assert_int_equal(left, WATCHED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new),
        cmocka_unit_test(test_wipe),
        cmocka_unit_test(test_guards),
        cmocka_unit_test(test_wiped_when_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
