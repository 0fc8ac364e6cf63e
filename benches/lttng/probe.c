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
