/* A pooling's sizes: rows and columns are of its output. */
struct pooling {
    int height, width, rows, columns;
    int kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w;
    struct rectifier by;
};

static int at_least(int low, int x)
{
    return x > low ? x : low;
}

static int at_most(int high, int x)
{
    return x < high ? x : high;
}

/* The larger; NaN where one is. Without a branch, which would be guessed wrongly half the time. */
static inline float larger(float a, float b)
{
    return ((b > a) | (b != b)) ? b : a;
}

/* `line` holds a window's rows as one, with its border: what of it the image reaches, and all. */
static int reached(const struct pooling *g)
{
    return at_most(g->width, (g->columns - 1) * g->stride_w + g->kernel_w - g->pad_w);
}

static void clear(const struct pooling *g, float *line, float border)
{
    int x;
    for (x = 0; x < (g->columns - 1) * g->stride_w + g->kernel_w; x++)
        line[x] = border;
}

KERNEL void pool_plane_max(const float *in, float *out, float *line, const struct pooling *g)
{
    const int width = reached(g);
    float *most = line + g->pad_w;
    int i, j, y, x;
    clear(g, line, -INFINITY);
    for (y = 0; y < g->rows; y++, out += g->columns) {
        const int top = y * g->stride_h - g->pad_h;
        const int from = at_least(0, top), to = at_most(g->height, top + g->kernel_h);
        memcpy(most, in + from * g->width, sizeof(float) * (size_t)width);
        for (i = from + 1; i < to; i++)
            for (x = 0; x < width; x++)
                most[x] = larger(most[x], in[i * g->width + x]);
        for (x = 0; x < g->columns; x++) {
            float best = line[x * g->stride_w];
            for (j = 1; j < g->kernel_w; j++)
                best = larger(best, line[x * g->stride_w + j]);
            out[x] = rectified(g->by, best);
        }
    }
}

/* Divides by the window's size within the padded image. */
KERNEL void pool_plane_mean(const float *in, float *out, float *line, const struct pooling *g)
{
    const int width = reached(g);
    float *sums = line + g->pad_w;
    int i, j, y, x;
    clear(g, line, 0);
    for (y = 0; y < g->rows; y++, out += g->columns) {
        const int top = y * g->stride_h - g->pad_h;
        const int high = at_most(g->height + g->pad_h, top + g->kernel_h) - top;
        const int from = at_least(0, top), to = at_most(g->height, top + g->kernel_h);
        memcpy(sums, in + from * g->width, sizeof(float) * (size_t)width);
        for (i = from + 1; i < to; i++)
            for (x = 0; x < width; x++)
                sums[x] += in[i * g->width + x];
        for (x = 0; x < g->columns; x++) {
            const int left = x * g->stride_w - g->pad_w;
            const int wide = at_most(g->width + g->pad_w, left + g->kernel_w) - left;
            float sum = line[x * g->stride_w];
            for (j = 1; j < g->kernel_w; j++)
                sum += line[x * g->stride_w + j];
            out[x] = rectified(g->by, sum / (float)(high * wide));
        }
    }
}

KERNEL void pool_max(int images, const float *in, float *out, float *line, int channels,
                     const struct pooling *g)
{
    int c;
    for (c = 0; c < images * channels; c++, in += g->height * g->width, out += g->rows * g->columns)
        pool_plane_max(in, out, line, g);
}

KERNEL void pool_mean(int images, const float *in, float *out, float *line, int channels,
                      const struct pooling *g)
{
    int c;
    for (c = 0; c < images * channels; c++, in += g->height * g->width, out += g->rows * g->columns)
        pool_plane_mean(in, out, line, g);
}
