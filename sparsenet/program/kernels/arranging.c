/* `count` values of each image, from place `from` of `all` to place `to` of `whole`. */
static void copy_part(int images, const float *in, float *out, int count, int from, int all, int to,
                      int whole)
{
    int m;
    for (m = 0; m < images; m++)
        memcpy(out + (size_t)m * (size_t)whole + to, in + (size_t)m * (size_t)all + from,
               sizeof(float) * (size_t)count);
}

/* Channel i C/g + j goes to j g + i. */
static void shuffle(int images, const float *in, float *out, int channels, int pixels, int groups)
{
    int m, c;
    for (m = 0; m < images; m++)
        for (c = 0; c < channels; c++, out += pixels)
            memcpy(out, in + (size_t)m * (size_t)(channels * pixels)
                       + (size_t)(c % groups * (channels / groups) + c / groups) * (size_t)pixels,
                   sizeof(float) * (size_t)pixels);
}
