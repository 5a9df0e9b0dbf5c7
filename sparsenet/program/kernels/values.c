/* Each gives the next `count` values in r->values, r->done being those before them. */

static void decode_float32(struct reader *r, int count)
{
    int i;
    r->values = (const float *)r->weight->codes + r->done;
    for (i = 0; i < count; i += 16)
        PREFETCH(r->values + CHUNK + i);
}

static void decode_bfloat16(struct reader *r, int count)
{
    const uint16_t *codes = (const uint16_t *)r->weight->codes + r->done;
    int i;
    for (i = 0; i < count; i++) {
        uint32_t bits = (uint32_t)codes[i] << 16;
        memcpy(r->scratch + i, &bits, 4);
    }
    r->values = r->scratch;
}

/* The exponent is biased anew by a product, which is right for subnormal numbers too. */
static void decode_float16(struct reader *r, int count)
{
    const uint16_t *codes = (const uint16_t *)r->weight->codes + r->done;
    int i;
    for (i = 0; i < count; i++) {
        uint32_t code = codes[i], rest = (code & 0x7fff) << 13, sign = (code & 0x8000) << 16;
        float number;
        memcpy(&number, &rest, 4);
        number *= 0x1p112f;
        memcpy(&rest, &number, 4);
        rest |= sign | ((code & 0x7c00) == 0x7c00 ? 0x7f800000u : 0);
        memcpy(r->scratch + i, &rest, 4);
    }
    r->values = r->scratch;
}

/* The table has a scale for each row. */
static void decode_int8(struct reader *r, int count)
{
    const int8_t *codes = (const int8_t *)r->weight->codes + r->done;
    int i = 0;
    while (i < count) {
        uint32_t row = r->places[i] / r->row_length, end = (row + 1) * r->row_length;
        float scale = r->weight->table[row];
        for (; i < count && r->places[i] < end; i++)
            r->scratch[i] = (float)codes[i] * scale;
    }
    r->values = r->scratch;
}

/* Codes of `bits` bits, from the lowest, are numbers of the table's values. */
static void look_up(struct reader *r, int count, uint32_t bits)
{
    const uint8_t *codes = r->weight->codes;
    const float *table = r->weight->table;
    size_t bit = (size_t)r->done * bits;
    int i;
    for (i = 0; i < count; i++, bit += bits) {
        size_t at = bit / 8;
        uint32_t shift = (uint32_t)(bit % 8), code = codes[at] >> shift;
        if (shift + bits > 8)
            code |= (uint32_t)codes[at + 1] << (8 - shift);
        r->scratch[i] = table[code & ((1u << bits) - 1)];
    }
    r->values = r->scratch;
}
