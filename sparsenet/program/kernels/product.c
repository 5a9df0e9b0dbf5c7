/* Four sums, so that none waits for the one before. */
SCALAR static float dot(const uint32_t *places, const float *values, int count, const float *x,
                 uint32_t base)
{
    float a = 0, b = 0, c = 0, d = 0;
    int k;
    for (k = 0; k + 4 <= count; k += 4) {
        a += values[k] * x[places[k] - base];
        b += values[k + 1] * x[places[k + 1] - base];
        c += values[k + 2] * x[places[k + 2] - base];
        d += values[k + 3] * x[places[k + 3] - base];
    }
    for (; k < count; k++)
        a += values[k] * x[places[k] - base];
    return (a + b) + (c + d);
}

static void multiply_one(const float *in, float *out, uint32_t inputs, int outputs,
                         struct rectifier by, const struct packed *weight,
                         int (*find)(struct reader *), void (*decode)(struct reader *, int),
                         const float *bias)
{
    struct reader r;
    int o, count;
    start(&r, weight, find, decode, inputs);
    for (o = 0; o < outputs; o++) {
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
    if (GROUP == 1 || images == 1)
        multiply_one(in, out, inputs, outputs, by, weight, find, decode, bias);
    else
        multiply_several(images, in, out, turned, inputs, outputs, by, weight, find, decode, bias);
}
