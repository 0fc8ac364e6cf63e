#undef LTTNG_UST_TRACEPOINT_PROVIDER
#define LTTNG_UST_TRACEPOINT_PROVIDER rival
#undef LTTNG_UST_TRACEPOINT_INCLUDE
#define LTTNG_UST_TRACEPOINT_INCLUDE "tp.h"
#if !defined(RIVAL_TP_H) || defined(LTTNG_UST_TRACEPOINT_HEADER_MULTI_READ)
#define RIVAL_TP_H
#include <lttng/tracepoint.h>
#include <stdint.h>
LTTNG_UST_TRACEPOINT_EVENT(rival, two,
    LTTNG_UST_TP_ARGS(uint32_t, a, uint32_t, b),
    LTTNG_UST_TP_FIELDS(
        lttng_ust_field_integer(uint32_t, a, a)
        lttng_ust_field_integer(uint32_t, b, b)))
LTTNG_UST_TRACEPOINT_EVENT(rival, text,
    LTTNG_UST_TP_ARGS(const char *, s),
    LTTNG_UST_TP_FIELDS(lttng_ust_field_string(s, s)))
#endif
#include <lttng/tracepoint-event.h>
