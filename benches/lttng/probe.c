/* The same events through LTTng-UST, and the loop without any. Loaded by the bench at run time. */
#define LTTNG_UST_TRACEPOINT_CREATE_PROBES
#define LTTNG_UST_TRACEPOINT_DEFINE
#include "tp.h"

static inline uint64_t work(uint64_t x) {
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    __asm__ volatile("" : "+r"(x) : : "memory");
    return x;
}
void rival_two(uint64_t n) {
    uint64_t x = 88172645463325252ull;
    for (uint64_t i = 0; i < n; i++) {
        x = work(x);
        lttng_ust_tracepoint(rival, two, (uint32_t)x, (uint32_t)i);
    }
}
void rival_text(uint64_t n, const char *s) {
    uint64_t x = 88172645463325252ull;
    for (uint64_t i = 0; i < n; i++) {
        x = work(x);
        lttng_ust_tracepoint(rival, text, s);
    }
}
/* 1 once a session has the events enabled. */
int rival_on(void) { return lttng_ust_tracepoint_enabled(rival, two); }

#define SITE(k) { uint32_t a = (uint32_t)x + k, b = (uint32_t)i; \
                  __asm__ volatile("" : : "r"(a), "r"(b) : "memory"); \
                  lttng_ust_tracepoint(rival, two, a, b); }
void rival_dense(uint64_t n) {
    uint64_t x = 7;
    for (uint64_t i = 0; i < n; i++) {
        SITE(0) SITE(1) SITE(2) SITE(3) SITE(4) SITE(5) SITE(6) SITE(7)
        SITE(8) SITE(9) SITE(10) SITE(11) SITE(12) SITE(13) SITE(14) SITE(15)
    }
}
