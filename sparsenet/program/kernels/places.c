/* Each finds up to CHUNK places, some 16 more at most, and returns how many. */

static int find_dense(struct reader *r)
{
    uint32_t left = r->weight->stored - r->place;
    int i, found = left < CHUNK ? (int)left : CHUNK;
    for (i = 0; i < found; i++)
        r->places[i] = r->place + (uint32_t)i;
    r->place += (uint32_t)found;
    return found;
}

static int find_bitmask(struct reader *r)
{
    const uint8_t *mask = r->weight->index;
    uint32_t code = r->code, bytes = r->weight->index_bytes;
    int bit, found = 0;
#if COMPRESSES
    const __m128i sixteen = _mm_set_epi8(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    const __m512i eight = _mm512_broadcast_i32x4(sixteen);
    const __m512i quarter = _mm512_set_epi64(0x3030303030303030, 0x3030303030303030,
                                             0x2020202020202020, 0x2020202020202020,
                                             0x1010101010101010, 0x1010101010101010, 0, 0);
    const __m512i bits = _mm512_add_epi8(eight, quarter);
    while (found < CHUNK - 48 && code + 8 <= bytes) {
        uint64_t word;
        int here, part;
        __m512i chosen, base = _mm512_set1_epi32((int)(8 * code));
        memcpy(&word, mask + code, 8);
        here = __builtin_popcountll(word);
        chosen = _mm512_maskz_compress_epi8(word, bits);
        for (part = 0; part < here; part += 16) {
            __m512i wide = _mm512_cvtepu8_epi32(_mm512_castsi512_si128(chosen));
            _mm512_storeu_si512(r->places + found + part, _mm512_add_epi32(wide, base));
            chosen = _mm512_alignr_epi64(chosen, chosen, 2);
        }
        found += here;
        code += 8;
    }
    if (code + 8 <= bytes) {
        r->code = code;
        return found;
    }
#endif
    while (found < CHUNK && code < bytes) {
        unsigned byte = mask[code];
        for (bit = 0; byte; bit++, byte >>= 1) {
            r->places[found] = 8 * code + (uint32_t)bit;
            found += (int)(byte & 1);
        }
        code++;
    }
    r->code = code;
    return found;
}

static int chosen_numbers(struct reader *r, uint32_t *from)
{
    uint32_t left = r->weight->stored - r->code;
    int found = left < CHUNK ? (int)left : CHUNK;
    *from = r->code;
    r->code += (uint32_t)found;
    return found;
}

static int find_indexed1(struct reader *r)
{
    uint32_t from;
    int i, found = chosen_numbers(r, &from);
    for (i = 0; i < found; i++)
        r->places[i] = ((const uint8_t *)r->weight->index)[from + (uint32_t)i];
    return found;
}

static int find_indexed2(struct reader *r)
{
    uint32_t from;
    int i, found = chosen_numbers(r, &from);
    for (i = 0; i < found; i++)
        r->places[i] = ((const uint16_t *)r->weight->index)[from + (uint32_t)i];
    return found;
}

static int find_indexed4(struct reader *r)
{
    uint32_t from;
    int i, found = chosen_numbers(r, &from);
    for (i = 0; i < found; i++)
        r->places[i] = ((const uint32_t *)r->weight->index)[from + (uint32_t)i];
    return found;
}

/* The index is where each row begins among the values, and the end; then the columns. */
static int find_csr(struct reader *r)
{
    const uint32_t *begins = r->weight->index;
    const uint32_t *columns = begins + (r->weight->index_bytes / 4 - r->weight->stored);
    uint32_t from;
    int i, found = chosen_numbers(r, &from);
    for (i = 0; i < found; i++) {
        while (begins[r->row + 1] <= from + (uint32_t)i)
            r->row++;
        r->places[i] = r->row * r->row_length + columns[from + (uint32_t)i];
    }
    return found;
}

/* Codes of 4 bits are gaps, the low half of a byte first; 15 is a gap of 15 with no value. */
static inline int read_gap4(const uint8_t *index, uint32_t code, uint32_t *place, uint32_t *to)
{
    uint32_t gap = (index[code / 2] >> (code % 2 * 4)) & 15;
    *to = *place + gap;
    *place += gap + (gap != 15);
    return gap != 15;
}

static int find_relative4(struct reader *r)
{
    const uint8_t *index = r->weight->index;
    uint32_t code = r->code, place = r->place, codes = 2 * r->weight->index_bytes;
    int found = 0;
#if COMPRESSES
    const __m128i low = _mm_set1_epi8(15), one = _mm_set1_epi8(1);
    if (code % 2 && code < codes) /* where a part begins within a byte */
        found = read_gap4(index, code++, &place, r->places);
    while (found < CHUNK && code + 16 <= codes) {
        uint64_t word;
        __m128i bytes, gaps, ends;
        __mmask16 stored;
        memcpy(&word, index + code / 2, 8);
        bytes = _mm_cvtsi64_si128((long long)word);
        gaps = _mm_unpacklo_epi8(_mm_and_si128(bytes, low),
                                 _mm_and_si128(_mm_srli_epi16(bytes, 4), low));
        stored = _mm_cmpneq_epi8_mask(gaps, low);
        ends = _mm_mask_add_epi8(gaps, stored, gaps, one); /* at most 16 * 15 in sum */
        ends = _mm_add_epi8(ends, _mm_slli_si128(ends, 1));
        ends = _mm_add_epi8(ends, _mm_slli_si128(ends, 2));
        ends = _mm_add_epi8(ends, _mm_slli_si128(ends, 4));
        ends = _mm_add_epi8(ends, _mm_slli_si128(ends, 8));
        _mm512_storeu_si512(
            r->places + found,
            _mm512_add_epi32(_mm512_cvtepu8_epi32(_mm_maskz_compress_epi8(stored, ends)),
                             _mm512_set1_epi32((int)(place - 1))));
        found += __builtin_popcount(stored);
        place += (uint32_t)_mm_extract_epi8(ends, 15);
        code += 16;
    }
#endif
    while (found < CHUNK && code < codes)
        found += read_gap4(index, code++, &place, r->places + found);
    r->code = code;
    r->place = place;
    return found;
}

/* Codes of 8 bits are gaps; 255 is a gap of 255 with no value. */
static int find_relative8(struct reader *r)
{
    const uint8_t *index = r->weight->index;
    uint32_t code = r->code, place = r->place, codes = r->weight->index_bytes;
    int found = 0;
#if COMPRESSES
    while (found < CHUNK && code + 8 <= codes) {
        const __m128i skip = _mm_set1_epi16(255), one = _mm_set1_epi16(1);
        uint64_t word;
        __m128i gaps, ends;
        __mmask8 stored;
        memcpy(&word, index + code, 8);
        gaps = _mm_cvtepu8_epi16(_mm_cvtsi64_si128((long long)word));
        stored = _mm_cmpneq_epi16_mask(gaps, skip);
        ends = _mm_mask_add_epi16(gaps, stored, gaps, one);
        ends = _mm_add_epi16(ends, _mm_slli_si128(ends, 2));
        ends = _mm_add_epi16(ends, _mm_slli_si128(ends, 4));
        ends = _mm_add_epi16(ends, _mm_slli_si128(ends, 8));
        _mm256_storeu_si256(
            (__m256i *)(r->places + found),
            _mm256_add_epi32(_mm256_cvtepu16_epi32(_mm_maskz_compress_epi16(stored, ends)),
                             _mm256_set1_epi32((int)(place - 1))));
        found += __builtin_popcount(stored);
        place += (uint32_t)_mm_extract_epi16(ends, 7);
        code += 8;
    }
#endif
    while (found < CHUNK && code < codes) {
        uint32_t gap = index[code];
        r->places[found] = place + gap;
        place += gap + (gap != 255);
        found += gap != 255;
        code++;
    }
    r->code = code;
    r->place = place;
    return found;
}

/* A table of P * taps bits says which places variant c of a kernel has; kernel j of row i has
   variant (i + j + 1) mod P. */
static int find_in_table(struct reader *r, uint32_t taps)
{
    const uint8_t *table = r->weight->index;
    const uint32_t period = 8 * r->weight->index_bytes / taps, across = r->row_length / taps;
    uint32_t left = r->weight->stored - r->code, place = r->place, tap = place % taps;
    uint32_t row = place / r->row_length, column = place % r->row_length / taps;
    uint32_t variant = (row + column + 1) % period;
    int found = 0, most = left < CHUNK ? (int)left : CHUNK;
    while (found < most) {
        uint32_t bit = variant * taps + tap;
        for (; tap < taps && found < most; tap++, bit++, place++) {
            r->places[found] = place;
            found += (table[bit / 8] >> (bit % 8)) & 1;
        }
        if (tap < taps)
            break;
        tap = 0;
        variant = variant + 1 < period ? variant + 1 : 0;
        if (++column == across) {
            column = 0;
            variant = (++row + 1) % period;
        }
    }
    r->code += (uint32_t)found;
    r->place = place;
    return found;
}
