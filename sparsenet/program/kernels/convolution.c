/* A convolution's sizes. A channel of the image that is read is `plane` floats: where the stride is
   not 1, an image of each phase, so that every tap reads stretches; tap[] is where each begins.
   Where `pool` is not NULL it makes of each filter's output the `out_plane` floats that stay. */
struct convolution {
    int channels, height, width;
    int groups, outputs, rows, columns;
    int pad_h, pad_w, stride_h, stride_w;
    int phases_h, phases_w;
    int phase_rows, pitch, plane, out_plane;
    int copied;
    uint32_t taps;
    uint64_t over_taps; /* 2^32 / taps, rounded up: a product that divides */
    const uint32_t *tap;
    void (*sweep)(const float *, const uint32_t *, const float *, int, const float *, float *);
    void (*pool)(const float *, float *, float *);
    struct rectifier by;
};

/* The whole numbers q in 0..count - 1 with 0 <= q * stride + shift < size: from first to last - 1. */
static void within(int count, int stride, int shift, int size, int *first, int *last)
{
    *first = shift < 0 ? (stride - 1 - shift) / stride : 0;
    *last = shift < size ? (size - 1 - shift) / stride + 1 : 0;
    *first = *first < count ? *first : count;
    *last = *last < count ? *last : count;
    *last = *last > *first ? *last : *first;
}

/* One channel with its border of zeros, in phases. */
static void arrange(const struct convolution *g, const float *in, float *to)
{
    int a, b, y, x, top, bottom, left, right;
    for (a = 0; a < g->phases_h; a++)
        for (b = 0; b < g->phases_w; b++) {
            int shift = b - g->pad_w;
            within(g->phase_rows, g->stride_h, a - g->pad_h, g->height, &top, &bottom);
            within(g->pitch, g->stride_w, shift, g->width, &left, &right);
            for (y = 0; y < g->phase_rows; y++, to += g->pitch) {
                const float *row = in + (ptrdiff_t)(y * g->stride_h + a - g->pad_h) * g->width;
                if (y < top || y >= bottom) {
                    memset(to, 0, sizeof(float) * (size_t)g->pitch);
                    continue;
                }
                for (x = 0; x < left; x++)
                    to[x] = 0;
                for (x = left; x < right; x++)
                    to[x] = row[x * g->stride_w + shift];
                for (x = right; x < g->pitch; x++)
                    to[x] = 0;
            }
        }
}

/* Adds a chunk of one filter to a plane of sums. Rows that are no multiple of LANES wide are summed
   as one stretch at the width that is read; what lies between them is dropped afterwards. */
KERNEL void sweep(int rows, int columns, int pitch_in, const float *in, const uint32_t *offsets,
                  const float *values, int count, const float *bias, float *sums)
{
    const int aligned = columns % LANES == 0;
    const int vectors = ((rows - 1) * pitch_in + columns + LANES - 1) / LANES;
    const int wide = aligned ? columns / LANES : 1, high = aligned ? rows : vectors;
    const int pitch = aligned ? pitch_in : LANES, width = aligned ? columns : LANES;
    const int across = wide <= BLOCK   ? wide
                       : wide % 8 == 0 ? 8
                       : wide % 7 == 0 ? 7
                       : wide % 6 == 0 ? 6
                       : wide % 5 == 0 ? 5
                       : wide % 4 == 0 ? 4
                       : wide % 3 == 0 ? 3
                       : wide % 2 == 0 ? 2
                                       : 1;
    const int deep = BLOCK / across < high ? BLOCK / across : high, whole = high - high % deep;
    int y, x;
    for (y = 0; y < whole; y += deep)
        for (x = 0; x < wide * LANES; x += across * LANES)
            accumulate(in + y * pitch + x, offsets, values, count, bias, sums + y * width + x, deep,
                       across, pitch, width);
    if (whole < high)
        for (x = 0; x < wide * LANES; x += across * LANES)
            accumulate(in + whole * pitch + x, offsets, values, count, bias,
                       sums + whole * width + x, high % deep, across, pitch, width);
}

/* A filter's output from its sums, or its bias alone where the filter is empty. It may lie where
   the sums do. */
static void finish(const struct convolution *g, const float *sums, float bias, int empty, float *out)
{
    const int pitch = g->columns % LANES == 0 ? g->columns : g->pitch;
    int y, x;
    for (y = 0; y < g->rows; y++)
        for (x = 0; x < g->columns; x++)
            out[y * g->columns + x] = rectified(g->by, empty ? bias : sums[y * pitch + x]);
}

/* Where the output of filter o stays, of image m. */
static inline float *output(const struct convolution *g, float *out, int m, int o)
{
    return out + ((size_t)m * (size_t)g->outputs + (size_t)o) * (size_t)g->out_plane;
}

static void convolve(int images, const float *in, float *out, float *copy, float *sums, float *line,
                     const struct convolution *g, const struct packed *weight,
                     int (*find)(struct reader *), void (*decode)(struct reader *, int),
                     const float *bias)
{
    const int outputs = g->outputs / g->groups, inputs = g->channels / g->groups;
    const int aligned = g->columns % LANES == 0, direct = aligned && !g->pool;
    const size_t stride = (size_t)(aligned ? g->rows * g->columns : g->rows * g->pitch + LANES);
    const size_t read = (size_t)g->plane * (size_t)g->channels;
    struct reader r;
    int o, m, k, count;
    if (g->copied)
        for (m = 0; m < images * g->channels; m++)
            arrange(g, in + (size_t)m * (size_t)(g->height * g->width),
                    copy + (size_t)m * (size_t)g->plane);
    start(&r, weight, find, decode, (uint32_t)inputs * g->taps);
    for (o = 0; o < g->outputs; o++) {
        const uint32_t row = (uint32_t)o * r.row_length;
        const float *from = (g->copied ? copy : in) + (size_t)(o / outputs * inputs * g->plane);
        float first = bias ? bias[o] : 0;
        int begun = 0;
        while ((count = take(&r, (uint32_t)o)) > 0) {
            uint32_t *offsets = r.places + r.from - count;
            const float *values = r.values + r.from - count;
            for (k = 0; k < count; k++) {
                uint32_t place = offsets[k] - row;
                uint32_t channel = (uint32_t)(place * g->over_taps >> 32);
                offsets[k] = channel * (uint32_t)g->plane + g->tap[place - channel * g->taps];
            }
            for (m = 0; m < images; m++)
                g->sweep(from + (size_t)m * read, offsets, values, count, begun ? NULL : &first,
                         direct ? output(g, out, m, o) : sums + (size_t)m * stride);
            begun = 1;
        }
        for (m = 0; m < images; m++) {
            float *to = output(g, out, m, o), *sum = direct ? to : sums + (size_t)m * stride;
            finish(g, sum, first, !begun, g->pool ? sum : to);
            if (g->pool)
                g->pool(sum, to, line);
        }
    }
}
