#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* LANES floats are worked on at once: a vector of GCC's and clang's where the processor has one. */
#ifndef LANES
#if defined(__AVX__)
#define LANES 8
#elif defined(__SSE2__) || defined(__ARM_NEON)
#define LANES 4
#else
#define LANES 1
#endif
#endif

/* Vectors that are summed in registers at a time; nonzeros that are decoded at a time. */
#ifndef BLOCK
#define BLOCK (LANES > 1 ? 12 : 8)
#endif
#ifndef CHUNK
#define CHUNK 256
#endif
#define SPARE 32

/* For speed a kernel is compiled anew for the numbers of each call; for size all calls share it. */
#if defined(__GNUC__) && defined(__OPTIMIZE__) && !defined(__OPTIMIZE_SIZE__)
#define KERNEL static inline __attribute__((always_inline))
#else
#define KERNEL static
#endif

/* GCC would gather, which takes twice as long. */
#if defined(__GNUC__) && !defined(__clang__)
#define SCALAR __attribute__((optimize("no-tree-vectorize", "no-tree-slp-vectorize")))
#else
#define SCALAR
#endif

#if defined(__AVX512VBMI2__) && defined(__AVX512VL__) && LANES > 1
#define COMPRESSES 1
#include <immintrin.h>
#else
#define COMPRESSES 0
#endif

/* Values are read once, and too far apart for the processor to foresee: a quarter of the time. */
#if defined(__GNUC__) && LANES > 1
#define PREFETCH(address) __builtin_prefetch(address)
#else
#define PREFETCH(address) (void)(address)
#endif

#if LANES > 1
typedef float lanes __attribute__((vector_size(4 * LANES)));
#else
typedef float lanes;
#endif

static inline lanes load(const float *from)
{
    lanes loaded;
    memcpy(&loaded, from, sizeof loaded);
    return loaded;
}

static inline void store(float *to, lanes stored)
{
    memcpy(to, &stored, sizeof stored);
}

/* What follows a layer at once: a slope below 0, and a largest value. NaN stays NaN. */
struct rectifier {
    float slope;
    float cap;
};

static inline float rectified(struct rectifier by, float x)
{
    const float below = by.slope == 0 ? 0 : x * by.slope; /* infinity times 0 would be NaN */
    x = x < 0 ? below : x;
    return x > by.cap ? by.cap : x;
}

/* One weight as it is stored: which places hold a value, what the values are, in row-major order. */
struct packed {
    const void *index;
    const void *codes;
    const float *table;
    uint32_t index_bytes;
    uint32_t stored;
};

/* Decodes a weight from its first row to its last, CHUNK values at a time. */
struct reader {
    const struct packed *weight;
    int (*find)(struct reader *);
    void (*decode)(struct reader *, int);
    uint32_t row_length;
    uint32_t code;  /* the next of the index */
    uint32_t place; /* the first that is not passed */
    uint32_t row;   /* of csr: that of the next code */
    uint32_t done;  /* values decoded */
    int from;       /* the first not taken of those decoded last, */
    int have;       /* and how many these are */
    const float *values;
    uint32_t places[CHUNK + SPARE];
    float scratch[CHUNK + SPARE];
};

static void start(struct reader *r, const struct packed *weight, int (*find)(struct reader *),
                  void (*decode)(struct reader *, int), uint32_t row_length)
{
    r->weight = weight;
    r->find = find;
    r->decode = decode;
    r->row_length = row_length;
    r->code = r->place = r->row = r->done = 0;
    r->from = r->have = 0;
}

static void refill(struct reader *r)
{
    uint32_t left = r->weight->stored - r->done;
    int i, found = r->find(r);
    if ((uint32_t)found > left) /* what fills the last byte of an index */
        found = (int)left;
    r->decode(r, found);
    for (i = 0; i < 16; i++)
        r->places[found + i] = UINT32_MAX;
    r->done += (uint32_t)found;
    r->from = 0;
    r->have = found;
}

/* How many of 16 ascending places are below an end. */
static inline int below(const uint32_t *places, uint32_t end)
{
#if COMPRESSES
    __m512i ends = _mm512_set1_epi32((int)end);
    return __builtin_popcount(_mm512_cmplt_epu32_mask(_mm512_loadu_si512(places), ends));
#else
    int count = 0;
    while (count < 16 && places[count] < end)
        count++;
    return count;
#endif
}

/* How many of the values that come next are of this row; 0 after its last. Of a long row some. */
static int take(struct reader *r, uint32_t row)
{
    const uint32_t *places;
    uint32_t end = (row + 1) * r->row_length;
    int taken = 0;
    if (r->from == r->have) {
        if (r->done == r->weight->stored)
            return 0;
        refill(r);
    }
    places = r->places + r->from;
    while (places[taken + 15] < end)
        taken += 16;
    taken += below(places + taken, end);
    r->from += taken;
    return taken;
}

/* sums[u] + value_k in[offset_k + u], where u goes over rows of vectors, in registers. */
KERNEL void accumulate(const float *in, const uint32_t *offsets, const float *values, int count,
                       const float *bias, float *sums, int rows, int across, int pitch, int width)
{
    lanes sum[BLOCK] = {0};
    int k, y, x;
    for (y = 0; y < rows; y++)
        for (x = 0; x < across; x++)
            sum[y * across + x] = bias ? *bias + (lanes){0} : load(sums + y * width + x * LANES);
    for (k = 0; k < count; k++) {
        const float *from = in + offsets[k];
        float value = values[k];
        for (y = 0; y < rows; y++)
            for (x = 0; x < across; x++)
                sum[y * across + x] += value * load(from + y * pitch + x * LANES);
    }
    for (y = 0; y < rows; y++)
        for (x = 0; x < across; x++)
            store(sums + y * width + x * LANES, sum[y * across + x]);
}
