/* In eight sums, so that none waits for the one before; of two vectors that are put together. */
SCALAR static float dot(const uint32_t *places, const float *values, int count, const float *x,
                        uint32_t base)
{
    float sum = 0;
    int k = 0;
#if LANES > 1
    typedef float four __attribute__((vector_size(16)));
    four sums = {0}, others = {0};
    for (; k + 8 <= count; k += 8) {
        const uint32_t *p = places + k;
        const four a = {x[p[0] - base], x[p[1] - base], x[p[2] - base], x[p[3] - base]};
        const four b = {x[p[4] - base], x[p[5] - base], x[p[6] - base], x[p[7] - base]};
        four v, w;
        memcpy(&v, values + k, sizeof v);
        memcpy(&w, values + k + 4, sizeof w);
        sums += a * v;
        others += b * w;
    }
    sums += others;
    sum = (sums[0] + sums[1]) + (sums[2] + sums[3]);
#endif
    for (; k < count; k++)
        sum += values[k] * x[places[k] - base];
    return sum;
}

/* Where the reading of a weight's rows can begin. */
struct part {
    uint32_t row, code, place, done;
};

/* The rows from where a part begins to `end`, for one image. */
static void multiply_rows(const float *in, float *out, uint32_t inputs, struct part part, int end,
                          struct rectifier by, const struct packed *weight,
                          int (*find)(struct reader *), void (*decode)(struct reader *, int),
                          const float *bias)
{
    struct reader r;
    int o, count;
    start(&r, weight, find, decode, inputs);
    r.row = part.row;
    r.code = part.code;
    r.place = part.place;
    r.done = part.done;
    for (o = (int)part.row; o < end; o++) {
        float sum = bias ? bias[o] : 0;
        while ((count = take(&r, (uint32_t)o)) > 0)
            sum += dot(r.places + r.from - count, r.values + r.from - count, count, in,
                       (uint32_t)o * inputs);
        out[o] = rectified(by, sum);
    }
}

/* Several images, GROUP at most, a multiple of 4 vectors where it is large: `turned` holds value i of image m at i * GROUP + m. */
static void multiply_several(int images, const float *in, float *out, float *turned,
                             uint32_t inputs, int outputs, struct rectifier by,
                             const struct packed *weight, int (*find)(struct reader *),
                             void (*decode)(struct reader *, int), const float *bias)
{
    const int across = GROUP / LANES <= BLOCK ? (GROUP + LANES - 1) / LANES : 4;
    struct reader r;
    float sums[GROUP + LANES];
    uint32_t i;
    int o, m, k, count;
    for (m = 0; m < images; m++)
        for (i = 0; i < inputs; i++)
            turned[i * GROUP + (uint32_t)m] = in[(size_t)m * inputs + i];
    start(&r, weight, find, decode, inputs);
    for (o = 0; o < outputs; o++) {
        float first = bias ? bias[o] : 0;
        int begun = 0;
        while ((count = take(&r, (uint32_t)o)) > 0) {
            uint32_t *offsets = r.places + r.from - count;
            for (k = 0; k < count; k++)
                offsets[k] = (offsets[k] - (uint32_t)o * inputs) * GROUP;
            for (m = 0; m < GROUP; m += across * LANES)
                accumulate(turned + m, offsets, r.values + r.from - count, count,
                           begun ? NULL : &first, sums + m, 1, across, 0, 0);
            begun = 1;
        }
        for (m = 0; m < images; m++)
            out[m * outputs + o] = rectified(by, begun ? sums[m] : first);
    }
}

static void multiply(int images, const float *in, float *out, float *turned, uint32_t inputs,
                     int outputs, struct rectifier by, const struct packed *weight,
                     int (*find)(struct reader *), void (*decode)(struct reader *, int),
                     const float *bias)
{
    const struct part whole = {0, 0, 0, 0};
    if (GROUP == 1 || images == 1)
        multiply_rows(in, out, inputs, whole, outputs, by, weight, find, decode, bias);
    else
        multiply_several(images, in, out, turned, inputs, outputs, by, weight, find, decode, bias);
}
