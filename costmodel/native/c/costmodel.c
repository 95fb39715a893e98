/* The predictor that costmodel.h declares: reads a file of weights, walks boosted trees or a small network.
 *
 * C11, no dependency but libc and libm. Everything in the weights is checked once, at creation; after that no index can
 * leave its array. Arrays are little-endian. Python's `costmodel.export.layout` writes the same layout.
 */
#include "costmodel.h"
#if defined(__GNUC__) && defined(__x86_64__)
#include <immintrin.h>
#endif

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the weights are little-endian; this host is not"
#endif

#define FORMAT_VERSION 3u
#define HEADER_BYTES 32u
#define MAX_SECTIONS 64u
#define MOST (1u << 24) /* of anything that is counted */
#define NONE 0xffffffffu
#define FIGURES 13u
#define LANES 8u
#define WIDTH_OWN 5u /* inputs of a width that are not context */
#define SURE 0.9      /* chance of not being zero below which an interval holds zero */
#define COARSE 0.02   /* share of a length below which a difference of lengths is not taken */
#define BINNED 4u    /* columns at once */
#define WALKED 4u    /* trees at once */
#define GATES 4u     /* splits above a tree that ask what kind of code it is */
#define CODES 32u    /* kinds of code, by the splits that ask for them */
#define Z90 1.6448536269514722
#define NEVER 1e15f
#define KINDS 8u /* of nodes; a token's column is token * KINDS + kind */

enum section {
  COUNTS = 1, STRINGS, METRICS, CONTEXT, TARGETS, RATIOS, COLUMNS, CUTS, WIDTH_COLUMNS, WIDTH_CUTS, SLOTS, TREES, NODES,
  LEAVES, GUESSES, NOVELTY, REFERENCES, NUMBERS, DEVIATIONS, CONFORMAL, ARCHS, VERSIONS, NETWORK, GRAPH, SECTION_END
};
enum scale { LINEAR = 0, LOG1P, LOG, LOGIT, ZERO_INFLATED, SCALE_END };
enum part { MEAN = 0, GATE, WIDTH };
enum context_kind { FIGURE = 0, ARCH, PIPELINE, ZERO };
enum leaf_kind { LEAF_F32 = 0, LEAF_F16, LEAF_I8 };
enum pooled { POOL_TOKEN = 0, POOL_KIND, POOL_EDGE, POOL_NUM_SUM, POOL_NUM_MAX, POOL_END };

typedef struct counts { /* section COUNTS, in this order */
  uint32_t features, context, metrics, archs, targets, pipelines, slots, members, ops, ratios, columns, width_columns;
  uint32_t conformal, components, references, neighbours, own_pipeline, leaf_kind, trees, versions, buckets, takes_graph;
  uint32_t guesses, network_outputs, standing_bucket, reserved[7];
} counts;
typedef struct metric { uint32_t scale, archs; double maximum; } metric;
typedef struct context_column { uint32_t kind, index; } context_column;
typedef struct target_row { uint32_t arch, zero; double figures[FIGURES]; } target_row;
typedef struct column { uint32_t source, cuts; } column;
typedef struct slot {
  uint32_t member, metric, part, guess, kind, first_tree, trees, output;
  double base, leaf_scale;
} slot;
typedef struct layer { uint32_t in, out, padded, relu; const float *weights, *bias; } layer;
typedef struct span { const unsigned char *data; size_t bytes; } span;

/* What code a tree is for: the sides of splits that do not end in a leaf of 0 at once. */
typedef struct code {
  uint32_t nodes[GATES], rights[GATES], count;
} code;

struct costmodel {
  counts n;
  span sections[SECTION_END];
  const char **strings, *name;
  const char **features, **contexts, **metric_names, **metric_units, **archs, **targets, **pipelines, **versions;
  uint32_t *table; /* open addressing over feature names */
  size_t table_mask;
  const metric *metrics;
  const context_column *context;
  const target_row *target_rows;
  const uint32_t *ratios, *nodes, *version_numbers;
  const column *columns[2]; /* of the functions' numbers, of the widths */
  const float *cuts[2];
  uint32_t *first_cut[2];
  int32_t *zero_bin[2]; /* `bin_of` 0 */
  const slot *slots;
  uint32_t *entries, *first_leaf; /* of trees; an entry lies below the splits that ask for its code */
  uint8_t *depths, *code_of;      /* of trees; splits from the entry on */
  code codes[CODES];              /* the first one is every code */
  uint32_t code_count;
  float *leaves;
  const float *guesses, *center, *spread;
  float *components, *norms, *origin, *references;
  double origin_squares;
  size_t padded, blocks_of_references;
  const double *numbers, *deviations, *conformal;
  const unsigned char *known_archs;
  layer layers[8];
  uint32_t layer_count, input_count;
  const uint32_t *inputs, *pools, *graph_head;
  const float *limits, *gains;
  size_t widest;
  uint32_t *token_column, *bucket_of;
  size_t tokens;
  void *allocated[32];
  size_t allocations;
};

/* Kernels on rows of floats, four side by side; `n` is a multiple of LANES where rows are padded. */
#if defined(__GNUC__)
typedef float lanes __attribute__((vector_size(16), aligned(4), may_alias));
#define AT(pointer) (*(const lanes *)(pointer))

static void add_scaled(float *to, float value, const float *from, size_t n) {
  for (size_t j = 0; j < n; j += 4) *(lanes *)(to + j) += value * AT(from + j);
}

/* Squared distances of a block of references; stops where none can be below `limit`. Whether one may be. */
static int near_enough(const float *point, const float *block, size_t n, float limit, float *squared) {
  lanes low = {0}, high = {0};
  for (size_t j = 0; j < n;) {
    for (const size_t end = j + LANES < n ? j + LANES : n; j < end; ++j) {
      const lanes a = point[j] - AT(block + j * LANES), b = point[j] - AT(block + j * LANES + 4);
      low += a * a;
      high += b * b;
    }
    lanes least;
    for (int k = 0; k < 4; ++k) least[k] = low[k] < high[k] ? low[k] : high[k];
    if (least[0] >= limit && least[1] >= limit && least[2] >= limit && least[3] >= limit) return 0;
  }
  *(lanes *)squared = low;
  *(lanes *)(squared + 4) = high;
  return 1;
}
#else
static void add_scaled(float *to, float value, const float *from, size_t n) {
  for (size_t j = 0; j < n; ++j) to[j] += value * from[j];
}

static int near_enough(const float *point, const float *block, size_t n, float limit, float *squared) {
  float least = FLT_MAX;
  for (size_t lane = 0; lane < LANES; ++lane) {
    squared[lane] = 0;
    for (size_t j = 0; j < n; ++j) {
      const float difference = point[j] - block[j * LANES + lane];
      squared[lane] += difference * difference;
    }
    least = squared[lane] < least ? squared[lane] : least;
  }
  return least < limit;
}
#endif

/* ---- reading the weights ---------------------------------------------------------------------------------------- */

static uint32_t crc32_of(const unsigned char *data, size_t size) {
  uint32_t table[256], crc = 0xffffffffu;
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ (value & 1 ? 0xedb88320u : 0);
    table[i] = value;
  }
  for (size_t i = 0; i < size; ++i) crc = table[(crc ^ data[i]) & 255] ^ (crc >> 8);
  return ~crc;
}

static void *take(costmodel *m, size_t count, size_t size) {
  if (m->allocations == sizeof m->allocated / sizeof *m->allocated) return NULL;
  void *found = calloc(count ? count : 1, size);
  if (found) m->allocated[m->allocations++] = found;
  return found;
}

static uint32_t read_u32(const unsigned char *at) {
  uint32_t value;
  memcpy(&value, at, sizeof value);
  return value;
}

static uint64_t read_u64(const unsigned char *at) {
  uint64_t value;
  memcpy(&value, at, sizeof value);
  return value;
}

static float half_to_float(uint16_t half) {
  uint32_t sign = (uint32_t)(half & 0x8000u) << 16, exponent = (half >> 10) & 31u, mantissa = half & 1023u, bits;
  float value;
  if (exponent == 0) {
    value = (float)mantissa * 5.9604644775390625e-8f;
    return sign ? -value : value;
  }
  bits = sign | (exponent == 31 ? 0x7f800000u : (exponent + 112) << 23) | (mantissa << 13);
  memcpy(&value, &bits, sizeof value);
  return value;
}

static costmodel_status check_header(const unsigned char *data, size_t size) {
  if (size < HEADER_BYTES || memcmp(data, "COSTMODL", 8) != 0) return COSTMODEL_ERROR_FORMAT;
  if (read_u32(data + 8) != FORMAT_VERSION) return COSTMODEL_ERROR_FORMAT_VERSION;
  if (read_u32(data + 12) != COSTMODEL_ABI_VERSION) return COSTMODEL_ERROR_ABI_VERSION;
  if (read_u64(data + 16) != size) return COSTMODEL_ERROR_CHECKSUM;
#ifndef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
  if (crc32_of(data + 28, size - 28) != read_u32(data + 24)) return COSTMODEL_ERROR_CHECKSUM;
#endif
  return COSTMODEL_OK;
}

static int find_sections(costmodel *m, const unsigned char *data, size_t size) {
  uint32_t count = read_u32(data + 28);
  if (count > MAX_SECTIONS || HEADER_BYTES + (size_t)count * 24 > size) return 0;
  for (uint32_t i = 0; i < count; ++i) {
    const unsigned char *row = data + HEADER_BYTES + (size_t)i * 24;
    uint32_t id = read_u32(row);
    uint64_t offset = read_u64(row + 8), bytes = read_u64(row + 16);
    if (id == 0 || id >= SECTION_END || m->sections[id].data) return 0;
    if (offset % 8 || offset > size || bytes > size - offset) return 0;
    m->sections[id].data = data + offset;
    m->sections[id].bytes = (size_t)bytes;
  }
  return 1;
}

/* The section's data if it has exactly `count` entries of `size` bytes. */
static const void *exactly(const costmodel *m, enum section id, size_t count, size_t size) {
  const span *s = &m->sections[id];
  if (!s->data) return count == 0 ? (const void *)"" : NULL;
  return s->bytes == count * size ? s->data : NULL;
}

static int read_counts(costmodel *m) {
  const counts *found = exactly(m, COUNTS, 1, sizeof(counts));
  if (!found) return 0;
  m->n = *found;
  const uint32_t *all = (const uint32_t *)found;
  for (size_t i = 0; i < sizeof(counts) / sizeof(uint32_t); ++i)
    if (all[i] > MOST && !(&all[i] == &found->own_pipeline && all[i] == NONE)) return 0;
  const counts *n = &m->n;
  return n->features > 0 && n->features < 65536 && n->context < 4096 && n->metrics > 0 && n->metrics < 256 &&
         n->archs <= 31 && n->members > 0 && n->members < 256 && n->ops < n->features && n->columns < 2048 &&
         n->width_columns < 2048 && n->components < 1024 && n->ratios <= n->features && n->conformal <= 1 &&
         n->slots < 65536 && n->targets < 65536 && n->pipelines < 65536 && n->versions < 256 && n->guesses < 256 &&
         n->references < 65536 && n->neighbours <= 64 && n->buckets < 4096 && n->takes_graph <= 1 &&
         (n->own_pipeline == NONE || n->own_pipeline < n->pipelines);
}

static int read_strings(costmodel *m) {
  const counts *n = &m->n;
  const span *s = &m->sections[STRINGS];
  size_t wanted = 1 + (size_t)n->features + n->context + 2 * (size_t)n->metrics + n->archs + n->targets + n->pipelines +
                  n->versions;
  size_t found = 0;
  if (!s->data || !s->bytes || s->data[s->bytes - 1]) return 0;
  m->strings = take(m, wanted, sizeof *m->strings);
  if (!m->strings) return -1;
  for (size_t at = 0; at < s->bytes; ++found) {
    if (found == wanted) return 0;
    m->strings[found] = (const char *)s->data + at;
    at += strlen(m->strings[found]) + 1;
  }
  if (found != wanted) return 0;
  m->name = m->strings[0];
  m->features = m->strings + 1;
  m->contexts = m->features + n->features;
  m->metric_names = m->contexts + n->context;
  m->metric_units = m->metric_names + n->metrics;
  m->archs = m->metric_units + n->metrics;
  m->targets = m->archs + n->archs;
  m->pipelines = m->targets + n->targets;
  m->versions = m->pipelines + n->pipelines;
  return 1;
}

static uint32_t hash_of(const char *name) {
  uint32_t hash = 2166136261u;
  for (; *name; ++name) hash = (hash ^ (unsigned char)*name) * 16777619u;
  return hash;
}

static int build_table(costmodel *m) {
  size_t size = 16;
  while (size < 2 * (size_t)m->n.features) size *= 2;
  m->table = take(m, size, sizeof *m->table);
  if (!m->table) return -1;
  m->table_mask = size - 1;
  for (uint32_t i = 0; i < m->n.features; ++i) {
    size_t at = hash_of(m->features[i]) & m->table_mask;
    while (m->table[at]) at = (at + 1) & m->table_mask;
    m->table[at] = i + 1;
  }
  return 1;
}

static size_t main_width(const costmodel *m) { return (size_t)m->n.features + 1 + m->n.context + m->n.ratios; }
static size_t width_width(const costmodel *m) { return WIDTH_OWN + (size_t)m->n.context; }

static int finite_floats(const float *values, size_t count) {
  for (size_t i = 0; i < count; ++i)
    if (!(fabsf(values[i]) <= FLT_MAX)) return 0;
  return 1;
}

static int finite_doubles(const double *values, size_t count) {
  for (size_t i = 0; i < count; ++i)
    if (!(fabs(values[i]) <= DBL_MAX)) return 0;
  return 1;
}

/* The context column that stands for each pipeline, as Python hashes them. */
static int read_pipelines(costmodel *m) {
  m->bucket_of = take(m, m->n.pipelines, sizeof *m->bucket_of);
  if (!m->bucket_of) return -1;
  for (uint32_t i = 0; i < m->n.pipelines; ++i) {
    const char *name = m->pipelines[i];
    m->bucket_of[i] = *name && m->n.buckets ? crc32_of((const unsigned char *)name, strlen(name)) % m->n.buckets : NONE;
  }
  return 1;
}

static int read_tables(costmodel *m) {
  const counts *n = &m->n;
  m->metrics = exactly(m, METRICS, n->metrics, sizeof(metric));
  m->context = exactly(m, CONTEXT, n->context, sizeof(context_column));
  m->target_rows = exactly(m, TARGETS, n->targets, sizeof(target_row));
  m->ratios = exactly(m, RATIOS, n->ratios, 4);
  m->known_archs = exactly(m, ARCHS, n->archs, 1);
  m->version_numbers = exactly(m, VERSIONS, n->versions, 4);
  m->numbers = exactly(m, NUMBERS, 4, 8);
  m->deviations = exactly(m, DEVIATIONS, (size_t)n->members * n->metrics, 8);
  m->conformal = exactly(m, CONFORMAL, n->conformal ? (size_t)n->metrics * (1 + 2 * (n->archs + 1)) : 0, 8);
  m->guesses = exactly(m, GUESSES, (size_t)n->guesses * 2 * (n->archs + 1) * (n->features + 1), 4);
  if (!m->metrics || !m->context || !m->target_rows || !m->ratios || !m->known_archs || !m->version_numbers ||
      !m->numbers || !m->deviations || !m->conformal || !m->guesses)
    return 0;
  for (uint32_t i = 0; i < n->metrics; ++i)
    if (m->metrics[i].scale >= SCALE_END || isnan(m->metrics[i].maximum)) return 0;
  for (uint32_t i = 0; i < n->context; ++i) {
    const context_column *c = &m->context[i];
    uint32_t most = c->kind == FIGURE ? FIGURES : c->kind == ARCH ? n->archs : c->kind == PIPELINE ? n->buckets : 1;
    if (c->kind > ZERO || c->index >= most) return 0;
  }
  for (uint32_t i = 0; i < n->targets; ++i)
    if (m->target_rows[i].arch >= n->archs || !finite_doubles(m->target_rows[i].figures, FIGURES)) return 0;
  for (uint32_t i = 0; i < n->ratios; ++i)
    if (m->ratios[i] >= n->features) return 0;
  if (!finite_doubles(m->numbers, 4) || !(m->numbers[0] > 0) || !(m->numbers[1] > 0)) return 0;
  if (!finite_doubles(m->deviations, (size_t)n->members * n->metrics)) return 0;
  if (!finite_floats(m->guesses, (size_t)n->guesses * 2 * (n->archs + 1) * (n->features + 1))) return 0;
  if (n->conformal)
    for (size_t i = 0; i < (size_t)n->metrics * (1 + 2 * (n->archs + 1)); ++i)
      if (!(m->conformal[i] > 0) || !(m->conformal[i] <= DBL_MAX)) return 0;
  return 1;
}

/* Bins: how many of a column's ascending cuts are at most the value. */
/* How many cuts lie at or below the value, as it is compared with whole nodes: above every step, where the node's bin is
 * not above it. */
static int32_t bin_of(const float *cuts, uint32_t count, float value) {
  const float *base = cuts;
  uint32_t length = count;
  while (length > 1) {
    uint32_t middle = length / 2;
    base += value >= base[middle - 1] ? middle : 0;
    length -= middle;
  }
  return (int32_t)((uint32_t)((base - cuts) + (length && value >= *base)) << 9 | 511u);
}

static int read_columns(costmodel *m, int which, enum section columns, enum section cuts, uint32_t count, size_t width) {
  size_t total = 0;
  m->columns[which] = exactly(m, columns, count, sizeof(column));
  if (!m->columns[which]) return 0;
  for (uint32_t i = 0; i < count; ++i) {
    if (m->columns[which][i].source >= width || m->columns[which][i].cuts > 4095) return 0;
    total += m->columns[which][i].cuts;
  }
  m->cuts[which] = exactly(m, cuts, total, 4);
  m->first_cut[which] = take(m, (size_t)count + 1, 4);
  m->zero_bin[which] = take(m, (size_t)count + 1, sizeof(int32_t));
  if (!m->first_cut[which] || !m->zero_bin[which]) return -1;
  if (!m->cuts[which] || !finite_floats(m->cuts[which], total)) return 0;
  for (uint32_t i = 0, at = 0; i < count; ++i) {
    m->first_cut[which][i] = at;
    m->zero_bin[which][i] = bin_of(m->cuts[which] + at, m->columns[which][i].cuts, 0.0f);
    at += m->columns[which][i].cuts;
  }
  return 1;
}

/* A node: feature 11 bits, bin 12, distance to the left child 9. A leaf: feature 0, its number, distance 0. */
#define FEATURE_OF(node) ((node) >> 21)
#define BIN_OF(node) (((node) >> 9) & 4095u)
#define STEP_OF(node) ((node) & 511u)

/* Depth of a tree whose indices are all inside, or -1. `levels` is [size]. */
static int check_tree(const uint32_t *nodes, uint32_t size, uint32_t columns, uint8_t *levels) {
  uint32_t leaves = (size + 1) / 2;
  int deepest = 0;
  if (size % 2 == 0) return -1;
  memset(levels, 0, size);
  for (uint32_t i = 0; i < size; ++i) {
    uint32_t step = STEP_OF(nodes[i]), feature = FEATURE_OF(nodes[i]);
    if (levels[i] > deepest) deepest = levels[i];
    if (feature == 0) {
      if (step != 0 || BIN_OF(nodes[i]) >= leaves) return -1;
      continue;
    }
    if (feature > columns || step == 0 || i + step + 1 >= size || levels[i] >= 64) return -1;
    for (uint32_t child = i + step; child <= i + step + 1; ++child)
      if (levels[child] <= levels[i]) levels[child] = (uint8_t)(levels[i] + 1);
  }
  return deepest;
}

static int adds_nothing(const costmodel *m, uint32_t tree, uint32_t node) {
  return FEATURE_OF(node) == 0 && m->leaves[m->first_leaf[tree] + BIN_OF(node)] == 0.0f;
}

/* The number of a kind among those of the model, which is added; 0 where there are too many. */
static uint8_t number_of(costmodel *m, const code *wanted) {
  for (uint32_t i = 0; i < m->code_count; ++i)
    if (memcmp(&m->codes[i], wanted, sizeof *wanted) == 0) return (uint8_t)i;
  if (m->code_count == CODES) return 0;
  m->codes[m->code_count] = *wanted;
  return (uint8_t)m->code_count++;
}

/* Follow the splits above each tree that only ask for a kind of code: they are asked once for all trees. */
static void find_codes(costmodel *m) {
  m->code_count = 1;
  memset(m->codes, 0, sizeof m->codes);
  for (uint32_t t = 0; t < m->n.trees; ++t) {
    code own;
    uint32_t at = m->entries[t];
    memset(&own, 0, sizeof own);
    while (own.count < GATES && FEATURE_OF(m->nodes[at]) != 0) {
      const uint32_t left = at + STEP_OF(m->nodes[at]);
      const int nothing = adds_nothing(m, t, m->nodes[left]), right = adds_nothing(m, t, m->nodes[left + 1]);
      if (nothing == right) break;
      own.nodes[own.count] = m->nodes[at];
      own.rights[own.count++] = (uint32_t)nothing;
      at = left + (uint32_t)nothing;
    }
    m->code_of[t] = number_of(m, &own);
    if (m->code_of[t] == 0) continue;
    m->entries[t] = at;
    m->depths[t] = (uint8_t)(m->depths[t] - own.count);
  }
}

static int expand_leaves(costmodel *m, size_t count) {
  const uint32_t kind = m->n.leaf_kind;
  if (kind > LEAF_I8) return 0;
  const unsigned char *data = exactly(m, LEAVES, count, kind == LEAF_F32 ? 4 : kind == LEAF_F16 ? 2 : 1);
  if (!data) return 0;
  m->leaves = take(m, count, sizeof(float));
  if (!m->leaves) return -1;
  for (size_t i = 0; i < count; ++i) {
    uint16_t half;
    if (kind == LEAF_F32) {
      memcpy(&m->leaves[i], data + 4 * i, 4);
    } else if (kind == LEAF_F16) {
      memcpy(&half, data + 2 * i, 2);
      m->leaves[i] = half_to_float(half);
    } else {
      m->leaves[i] = (float)(signed char)data[i];
    }
  }
  return finite_floats(m->leaves, count);
}

static int read_trees(costmodel *m) {
  const counts *n = &m->n;
  const uint16_t *sizes = exactly(m, TREES, n->trees, 2);
  if (!sizes) return 0;
  size_t nodes = 0, leaves = 0;
  uint32_t largest = 1;
  for (uint32_t i = 0; i < n->trees; ++i) {
    nodes += sizes[i];
    leaves += (sizes[i] + 1u) / 2u;
    if (sizes[i] > largest) largest = sizes[i];
  }
  if (nodes > MOST) return 0;
  m->nodes = exactly(m, NODES, nodes, 4);
  m->entries = take(m, n->trees, 4);
  m->first_leaf = take(m, n->trees, 4);
  m->depths = take(m, n->trees, 1);
  m->code_of = take(m, n->trees, 1);
  uint8_t *which = take(m, (size_t)n->trees + 1, 1), *levels = take(m, largest, 1);
  if (!m->entries || !m->first_leaf || !m->depths || !m->code_of || !which || !levels) return -1;
  if (!m->nodes) return 0;
  for (uint32_t i = 0; i < n->slots; ++i)
    for (uint32_t t = 0; m->slots[i].part == WIDTH && t < m->slots[i].trees; ++t) which[m->slots[i].first_tree + t] = 1;
  for (uint32_t i = 0, node = 0, leaf = 0; i < n->trees; ++i) {
    int depth = check_tree(m->nodes + node, sizes[i], which[i] ? n->width_columns : n->columns, levels);
    if (depth < 0) return 0;
    m->entries[i] = node;
    m->first_leaf[i] = leaf;
    m->depths[i] = (uint8_t)depth;
    node += sizes[i];
    leaf += (sizes[i] + 1u) / 2u;
  }
  const int read = expand_leaves(m, leaves);
  if (read > 0) find_codes(m);
  return read;
}

static int read_slots(costmodel *m) {
  const counts *n = &m->n;
  uint8_t *seen = take(m, (size_t)(n->members + 1) * n->metrics * 2, 1);
  m->slots = exactly(m, SLOTS, n->slots, sizeof(slot));
  if (!seen) return -1;
  if (!m->slots) return 0;
  uint32_t next = 0, widths = 0, means = 0;
  for (uint32_t i = 0; i < n->slots; ++i) {
    const slot *s = &m->slots[i];
    if (s->metric >= n->metrics || s->part > WIDTH || s->member >= n->members || s->guess > n->guesses || s->kind > 1)
      return 0;
    if (s->first_tree != next || s->trees > n->trees - next || !isfinite(s->base) || !isfinite(s->leaf_scale)) return 0;
    if (s->kind == 1 && (s->output >= n->network_outputs || s->part == WIDTH)) return 0;
    uint8_t *mark = &seen[((size_t)(s->part == WIDTH ? n->members : s->member) * n->metrics + s->metric) * 2 +
                          (s->part == GATE)];
    if (*mark) return 0;
    *mark = 1;
    widths += s->part == WIDTH;
    means += s->part == MEAN;
    next += s->trees;
  }
  return next == n->trees && means == n->members * n->metrics && widths == (n->conformal ? n->metrics : 0);
}

static int read_novelty(costmodel *m) {
  const size_t p = m->n.features, k = m->n.components, r = m->n.references;
  const float *all = exactly(m, NOVELTY, k ? p * (2 + k) : 0, 4);
  const unsigned char *halves = exactly(m, REFERENCES, k ? r * k : 0, 2);
  if (!all || !halves) return 0;
  if (k == 0) return 1;
  if (r == 0 || m->n.neighbours == 0 || m->n.neighbours > r || !finite_floats(all, p * (2 + k))) return 0;
  m->center = all;
  m->spread = all + p;
  for (size_t i = 0; i < p; ++i)
    if (!(m->spread[i] > 0)) return 0;
  m->padded = (k + LANES - 1) / LANES * LANES;
  m->blocks_of_references = (r + LANES - 1) / LANES;
  m->components = take(m, p * m->padded, sizeof(float));
  m->norms = take(m, m->padded, sizeof(float));
  m->origin = take(m, m->padded, sizeof(float));
  m->references = take(m, m->blocks_of_references * k * LANES, sizeof(float));
  if (!m->components || !m->norms || !m->origin || !m->references) return -1;
  for (size_t i = 0; i < p; ++i) {
    const float zero = (0.0f - m->center[i]) / m->spread[i];
    m->origin_squares += (double)zero * (double)zero;
    for (size_t j = 0; j < k; ++j) {
      float value = all[p * 2 + i * k + j];
      m->components[i * m->padded + j] = value;
      m->norms[j] += value * value;
      m->origin[j] += zero * value;
    }
  }
  for (size_t j = 0; j < m->padded; ++j)
    if (!(m->norms[j] > 0)) m->norms[j] = 1.0f;
  for (size_t i = 0; i < m->blocks_of_references * LANES; ++i)
    for (size_t j = 0; j < k; ++j) {
      uint16_t half = 0;
      if (i < r) memcpy(&half, halves + 2 * (i * k + j), 2);
      m->references[(i / LANES * k + j) * LANES + i % LANES] = i < r ? half_to_float(half) : NEVER;
    }
  return finite_floats(m->references, m->blocks_of_references * k * LANES);
}

/* Section NETWORK: inputs, layers; sources; limits; gains; then for each layer in, out, bits, relu, scales, bias, weights. */
static int read_layer(costmodel *m, const unsigned char **at, size_t *left, uint32_t in, layer *found) {
  uint32_t head[4];
  if (*left < 16) return 0;
  memcpy(head, *at, 16);
  uint32_t out = head[1], bits = head[2];
  if (head[0] != in || out == 0 || out > 4096 || (bits != 4 && bits != 8 && bits != 32) || head[3] > 1) return 0;
  size_t packed = ((size_t)in * out * bits / 8 + 1 + 3) / 4 * 4, bytes = 16 + 8 * (size_t)out + packed;
  if (*left < bytes) return 0;
  const unsigned char *numbers = *at + 16, *data = numbers + 8 * (size_t)out;
  found->in = in;
  found->out = out;
  found->relu = head[3];
  found->padded = (out + LANES - 1) / LANES * LANES;
  float *weights = take(m, (size_t)in * found->padded + found->padded, sizeof(float));
  if (!weights) return -1;
  found->weights = weights;
  float *bias = weights + (size_t)in * found->padded;
  found->bias = bias;
  memcpy(bias, numbers + 4 * (size_t)out, 4 * (size_t)out);
  for (size_t i = 0; i < in; ++i)
    for (size_t j = 0; j < out; ++j) {
      size_t index = i * out + j;
      float scale, value;
      memcpy(&scale, numbers + 4 * j, 4);
      if (bits == 32) memcpy(&value, data + 4 * index, 4);
      else if (bits == 8) value = (float)(signed char)data[index];
      else value = (float)((int)((data[index / 2] >> (index % 2 ? 4 : 0)) & 15) - 8);
      weights[i * found->padded + j] = value * scale;
    }
  *at += bytes;
  *left -= bytes;
  return finite_floats(weights, (size_t)in * found->padded + found->padded);
}

static int read_network(costmodel *m) {
  const span *s = &m->sections[NETWORK];
  if (!s->data) return m->n.network_outputs == 0;
  if (s->bytes < 8) return 0;
  m->input_count = read_u32(s->data);
  m->layer_count = read_u32(s->data + 4);
  if (m->input_count == 0 || m->input_count > main_width(m) || m->layer_count == 0 || m->layer_count > 8) return 0;
  if (s->bytes < 8 + 12 * (size_t)m->input_count) return 0;
  m->inputs = (const uint32_t *)(const void *)(s->data + 8);
  m->limits = (const float *)(const void *)(s->data + 8 + 4 * (size_t)m->input_count);
  m->gains = m->limits + m->input_count;
  if (!finite_floats(m->limits, 2 * (size_t)m->input_count)) return 0;
  for (uint32_t i = 0; i < m->input_count; ++i)
    if (m->inputs[i] >= main_width(m) || !(m->limits[i] >= 0)) return 0;
  const unsigned char *at = s->data + 8 + 12 * (size_t)m->input_count;
  size_t left = s->bytes - 8 - 12 * (size_t)m->input_count;
  uint32_t in = m->input_count;
  for (uint32_t i = 0; i < m->layer_count; ++i) {
    int done = read_layer(m, &at, &left, in, &m->layers[i]);
    if (done <= 0) return done;
    in = m->layers[i].out;
    if (m->layers[i].padded > m->widest) m->widest = m->layers[i].padded;
  }
  return left == 0 && in == m->n.network_outputs;
}

/* Section GRAPH: vocabulary version, columns of node_num, then pool and index of each feature. */
static int read_graph(costmodel *m) {
  if (!m->n.takes_graph) return 1;
  m->graph_head = exactly(m, GRAPH, 2 + 2 * (size_t)m->n.features, 4);
  if (!m->graph_head) return 0;
  m->pools = m->graph_head + 2;
  if (m->graph_head[1] > 4096) return 0;
  for (uint32_t i = 0; i < m->n.features; ++i) {
    uint32_t pool = m->pools[2 * i], index = m->pools[2 * i + 1];
    uint32_t most = pool == POOL_TOKEN ? 65536 * KINDS : pool < POOL_NUM_SUM ? 256 : m->graph_head[1];
    if (pool >= POOL_END || index >= most) return 0;
    if (pool == POOL_TOKEN && index >= m->tokens) m->tokens = (size_t)index + 1;
  }
  m->token_column = take(m, m->tokens, 4);
  if (!m->token_column) return -1;
  for (uint32_t i = 0; i < m->n.features; ++i)
    if (m->pools[2 * i] == POOL_TOKEN) m->token_column[m->pools[2 * i + 1]] = i + 1;
  return 1;
}

static int read_all(costmodel *m, const unsigned char *data, size_t size) {
  int done;
  if (!find_sections(m, data, size) || !read_counts(m)) return 0;
  if ((done = read_strings(m)) <= 0 || (done = build_table(m)) <= 0 || (done = read_pipelines(m)) <= 0) return done;
  if ((done = read_tables(m)) <= 0) return done;
  if ((done = read_columns(m, 0, COLUMNS, CUTS, m->n.columns, main_width(m))) <= 0) return done;
  if ((done = read_columns(m, 1, WIDTH_COLUMNS, WIDTH_CUTS, m->n.width_columns, width_width(m))) <= 0) return done;
  if ((done = read_slots(m)) <= 0 || (done = read_trees(m)) <= 0 || (done = read_novelty(m)) <= 0) return done;
  if ((done = read_network(m)) <= 0) return done;
  return read_graph(m);
}

costmodel_status costmodel_create_from_memory(uint32_t abi_version, const void *data, size_t size, costmodel **out) {
  if (!out) return COSTMODEL_ERROR_ARGUMENT;
  *out = NULL;
  if (abi_version != COSTMODEL_ABI_VERSION) return COSTMODEL_ERROR_ABI_VERSION;
  if (!data) return COSTMODEL_ERROR_ARGUMENT;
  costmodel_status status = check_header(data, size);
  if (status != COSTMODEL_OK) return status;
  costmodel *m = calloc(1, sizeof *m);
  if (!m) return COSTMODEL_ERROR_MEMORY;
  unsigned char *copy = take(m, size, 1);
  int done = -1;
  if (copy) {
    memcpy(copy, data, size);
    done = read_all(m, copy, size);
  }
  if (done > 0) {
    *out = m;
    return COSTMODEL_OK;
  }
  costmodel_destroy(m);
  return done < 0 ? COSTMODEL_ERROR_MEMORY : COSTMODEL_ERROR_DAMAGED;
}

static costmodel_status read_whole(FILE *file, unsigned char **data, size_t *size) {
  if (fseek(file, 0, SEEK_END) != 0) return COSTMODEL_ERROR_FILE;
  long length = ftell(file);
  if (length < 0 || fseek(file, 0, SEEK_SET) != 0) return COSTMODEL_ERROR_FILE;
  if ((unsigned long)length > (1ul << 30)) return COSTMODEL_ERROR_FORMAT;
  *size = (size_t)length;
  *data = malloc(*size ? *size : 1);
  if (!*data) return COSTMODEL_ERROR_MEMORY;
  return fread(*data, 1, *size, file) == *size ? COSTMODEL_OK : COSTMODEL_ERROR_FILE;
}

costmodel_status costmodel_create_from_file(uint32_t abi_version, const char *path, costmodel **out) {
  if (!out || !path) return COSTMODEL_ERROR_ARGUMENT;
  *out = NULL;
  if (abi_version != COSTMODEL_ABI_VERSION) return COSTMODEL_ERROR_ABI_VERSION;
  FILE *file = fopen(path, "rb");
  if (!file) return COSTMODEL_ERROR_FILE;
  unsigned char *data = NULL;
  size_t size = 0;
  costmodel_status status = read_whole(file, &data, &size);
  fclose(file);
  if (status == COSTMODEL_OK) status = costmodel_create_from_memory(abi_version, data, size, out);
  free(data);
  return status;
}

void costmodel_destroy(costmodel *model) {
  if (!model) return;
  for (size_t i = 0; i < model->allocations; ++i) free(model->allocated[i]);
  free(model);
}

/* ---- names ------------------------------------------------------------------------------------------------------ */

uint32_t costmodel_abi_version(void) { return COSTMODEL_ABI_VERSION; }

const char *costmodel_error_string(int status) {
  static const char *const texts[] = {
    "done",
    "the caller was compiled against another version of costmodel.h, or the weights are for one; build and export anew",
    "the weights cannot be read; give the path of a file that `costmodel export` wrote",
    "not a file of weights; give one that `costmodel export` wrote",
    "weights of another format version; export the model again",
    "the weights do not match their size or checksum; copy or export them again",
    "the weights contradict themselves; export the model again",
    "out of memory",
    "a null pointer where there must be none",
    "a struct or an array has another size than this model and header; see costmodel_feature_count, sizeof",
    "a feature or a figure is NaN or infinite",
    "no target of that name; describe it by figures in a costmodel_target",
    "the model was not trained on that pipeline; give NULL or one of costmodel_pipeline_name",
    "the model does not have that metric; see costmodel_metric_name",
    "the function has no operation, so there is nothing to predict",
    "the model takes another kind of input; see costmodel_takes_graph",
    "the graph is of another vocabulary or has other columns than the model was trained on",
  };
  return status >= 0 && (size_t)status < sizeof texts / sizeof *texts ? texts[status] : "unknown status";
}

const char *costmodel_model_name(const costmodel *m) { return m ? m->name : NULL; }
size_t costmodel_metric_count(const costmodel *m) { return m ? m->n.metrics : 0; }
size_t costmodel_target_count(const costmodel *m) { return m ? m->n.targets : 0; }
size_t costmodel_pipeline_count(const costmodel *m) { return m ? m->n.pipelines : 0; }
int costmodel_takes_graph(const costmodel *m) { return m ? (int)m->n.takes_graph : 0; }
size_t costmodel_feature_count(const costmodel *m) { return m ? (size_t)m->n.features + 1 : 0; }

static size_t find(const char *const *names, size_t count, const char *name) {
  for (size_t i = 0; name && i < count; ++i)
    if (strcmp(names[i], name) == 0) return i;
  return COSTMODEL_NOT_FOUND;
}

const char *costmodel_feature_name(const costmodel *m, size_t index) {
  if (!m || index > m->n.features) return NULL;
  return index == m->n.features ? "count:*" : m->features[index];
}

size_t costmodel_feature_index(const costmodel *m, const char *name) {
  if (!m || !name) return COSTMODEL_NOT_FOUND;
  if (strcmp(name, "count:*") == 0) return m->n.features;
  for (size_t at = hash_of(name) & m->table_mask; m->table[at]; at = (at + 1) & m->table_mask)
    if (strcmp(m->features[m->table[at] - 1], name) == 0) return m->table[at] - 1;
  return COSTMODEL_NOT_FOUND;
}

const char *costmodel_metric_name(const costmodel *m, size_t i) { return m && i < m->n.metrics ? m->metric_names[i] : NULL; }
const char *costmodel_metric_unit(const costmodel *m, size_t i) { return m && i < m->n.metrics ? m->metric_units[i] : NULL; }
const char *costmodel_target_name(const costmodel *m, size_t i) { return m && i < m->n.targets ? m->targets[i] : NULL; }
const char *costmodel_pipeline_name(const costmodel *m, size_t i) { return m && i < m->n.pipelines ? m->pipelines[i] : NULL; }

size_t costmodel_metric_index(const costmodel *m, const char *name) {
  return m ? find(m->metric_names, m->n.metrics, name) : COSTMODEL_NOT_FOUND;
}

static int exists_on(const costmodel *m, size_t metric_index, size_t arch) {
  return arch < m->n.archs && (m->metrics[metric_index].archs >> arch & 1u);
}

int costmodel_metric_exists(const costmodel *m, size_t index, const char *arch) {
  return m && index < m->n.metrics && exists_on(m, index, find(m->archs, m->n.archs, arch));
}

uint32_t costmodel_version_of(const costmodel *m, const char *what) {
  size_t i = m ? find(m->versions, m->n.versions, what) : COSTMODEL_NOT_FOUND;
  return i == COSTMODEL_NOT_FOUND ? 0 : m->version_numbers[i];
}

costmodel_status costmodel_target_by_name(const costmodel *m, const char *name, costmodel_target *target) {
  if (!m || !name || !target) return COSTMODEL_ERROR_ARGUMENT;
  if (target->struct_size != sizeof *target) return COSTMODEL_ERROR_SIZE;
  size_t i = find(m->targets, m->n.targets, name);
  if (i == COSTMODEL_NOT_FOUND) return COSTMODEL_ERROR_UNKNOWN_TARGET;
  target->arch = m->archs[m->target_rows[i].arch];
  memcpy((char *)target + offsetof(costmodel_target, vector_bits), m->target_rows[i].figures,
         sizeof m->target_rows[i].figures);
  return COSTMODEL_OK;
}

costmodel_status costmodel_feature_add(const costmodel *m, double *features, size_t feature_count, const char *name,
                                       double value) {
  if (!m || !features || !name) return COSTMODEL_ERROR_ARGUMENT;
  if (feature_count != costmodel_feature_count(m)) return COSTMODEL_ERROR_SIZE;
  size_t i = costmodel_feature_index(m, name);
  if (i == COSTMODEL_NOT_FOUND) {
    if (strncmp(name, "count:", 6) == 0) features[m->n.features] += value;
  } else if (strncmp(name, "most:", 5) == 0) {
    features[i] = value > features[i] ? value : features[i];
  } else {
    features[i] += value;
  }
  return COSTMODEL_OK;
}

/* ---- predicting ------------------------------------------------------------------------------------------------- */

typedef struct work {
  double *pooled, *magnitude, *nonzero, *mean, *std; /* [features + 1], then [metrics] each */
  float *x, *width, *hidden[2], *point;
  uint16_t *present; /* features that are not 0 */
  size_t presents, guess_row;
  int32_t *bins;
  uint8_t *asked;
} work;

static size_t place(unsigned char *base, size_t *at, void *slot_of_pointer, size_t bytes) {
  if (base) {
    void *here = base + *at;
    memcpy(slot_of_pointer, &here, sizeof here);
  }
  *at += (bytes + 63) / 64 * 64;
  return *at;
}

static size_t lay_out(const costmodel *m, unsigned char *base, work *w) {
  size_t at = 0, metrics = m->n.metrics;
  size_t columns = m->n.columns > m->n.width_columns ? m->n.columns : m->n.width_columns;
  if (base) base += (64 - (uintptr_t)base % 64) % 64;
  place(base, &at, &w->pooled, ((size_t)m->n.features + 1) * sizeof(double));
  place(base, &at, &w->magnitude, metrics * sizeof(double));
  place(base, &at, &w->nonzero, metrics * sizeof(double));
  place(base, &at, &w->mean, 2 * metrics * sizeof(double));
  place(base, &at, &w->std, 2 * metrics * sizeof(double));
  place(base, &at, &w->x, main_width(m) * sizeof(float));
  place(base, &at, &w->present, ((size_t)m->n.features + 1) * sizeof(uint16_t));
  place(base, &at, &w->width, width_width(m) * sizeof(float));
  place(base, &at, &w->hidden[0], (m->widest + 1) * sizeof(float));
  place(base, &at, &w->hidden[1], (m->widest + 1) * sizeof(float));
  place(base, &at, &w->point, (m->padded + 1) * sizeof(float));
  place(base, &at, &w->bins, (columns + 1) * sizeof(int32_t));
  place(base, &at, &w->asked, metrics);
  return at + 64;
}

size_t costmodel_scratch_bytes(const costmodel *m) {
  work w;
  return m ? lay_out(m, NULL, &w) : 0;
}

static float compressed(float value) {
  if (value == 0.0f) return 0.0f;
  float size = (float)log1p(fabs((double)value));
  return value < 0 ? -size : size;
}

/* `bin_of` for four columns at once, `which[i]` of them: their loads do not wait for each other. */
static void bin_four(const costmodel *m, int table, const uint16_t *which, const float *x, int32_t *bins) {
  const float *cuts[BINNED];
  float values[BINNED];
  uint32_t counts[BINNED], found[BINNED] = {0}, most = 0;
  for (unsigned k = 0; k < BINNED; ++k) {
    const column *c = &m->columns[table][which[k]];
    cuts[k] = m->cuts[table] + m->first_cut[table][which[k]];
    values[k] = x[c->source];
    counts[k] = c->cuts;
    most = c->cuts > most ? c->cuts : most;
  }
  uint32_t size = 1;
  while (2 * size <= most) size *= 2;
  for (; most && size; size /= 2)
    for (unsigned k = 0; k < BINNED; ++k) {
      const uint32_t next = found[k] + size, at = next <= counts[k] ? next : counts[k];
      found[k] = next <= counts[k] && values[k] >= cuts[k][at ? at - 1 : 0] ? next : found[k];
    }
  for (unsigned k = 0; k < BINNED; ++k) bins[which[k] + 1] = (int32_t)(found[k] << 9 | 511u);
}

/* Those columns whose sources lie in [from, to). */
static void bin_columns(const costmodel *m, int table, const float *x, size_t from, size_t to, int32_t *bins) {
  uint32_t count = table ? m->n.width_columns : m->n.columns, waiting = 0;
  uint16_t some[BINNED];
  bins[0] = -1;
  for (uint32_t i = 0; i < count; ++i) {
    const column *c = &m->columns[table][i];
    if (c->source < from || c->source >= to) continue;
    bins[i + 1] = m->zero_bin[table][i];
    some[waiting] = (uint16_t)i;
    waiting += x[c->source] != 0.0f;
    if (waiting == BINNED) {
      bin_four(m, table, some, x, bins);
      waiting = 0;
    }
  }
  for (uint32_t i = 0; i < waiting; ++i) {
    const column *c = &m->columns[table][some[i]];
    bins[some[i] + 1] = bin_of(m->cuts[table] + m->first_cut[table][some[i]], c->cuts, x[c->source]);
  }
}

static uint32_t step(uint32_t node, const int32_t *bins) {
  return STEP_OF(node) + (uint32_t)(bins[FEATURE_OF(node)] >= (int32_t)(node & 0x1fffffu));
}

static double leaf_of(const costmodel *m, uint32_t tree, const uint32_t *at) {
  return (double)m->leaves[m->first_leaf[tree] + BIN_OF(*at)];
}

/* Four trees at once: their loads do not wait for each other. */
static double walk_four(const costmodel *m, const uint32_t *trees, const int32_t *bins) {
  const uint32_t *nodes = m->nodes, *entries = m->entries;
  const uint32_t *a = nodes + entries[trees[0]], *b = nodes + entries[trees[1]];
  const uint32_t *c = nodes + entries[trees[2]], *d = nodes + entries[trees[3]];
  unsigned depth = m->depths[trees[0]];
  for (unsigned k = 1; k < WALKED; ++k)
    if (m->depths[trees[k]] > depth) depth = m->depths[trees[k]];
  for (; depth; --depth) {
    a += step(*a, bins);
    b += step(*b, bins);
    c += step(*c, bins);
    d += step(*d, bins);
  }
  return leaf_of(m, trees[0], a) + leaf_of(m, trees[1], b) + leaf_of(m, trees[2], c) + leaf_of(m, trees[3], d);
}

/* Sum of the leaves that a slot's trees arrive at; trees for other kinds of code add nothing. */
static double walk(const costmodel *m, const slot *s, const int32_t *bins) {
  uint32_t trees[WALKED];
  uint8_t open[CODES];
  unsigned waiting = 0;
  double sum = 0;
  for (uint32_t i = 0; i < m->code_count; ++i) {
    const code *own = &m->codes[i];
    open[i] = 1;
    for (uint32_t g = 0; g < own->count; ++g)
      open[i] &= step(own->nodes[g], bins) - STEP_OF(own->nodes[g]) == own->rights[g];
  }
  for (uint32_t t = s->first_tree; t < s->first_tree + s->trees; ++t) {
    if (!open[m->code_of[t]]) continue;
    trees[waiting] = t;
    if (++waiting < WALKED) continue;
    sum += walk_four(m, trees, bins);
    waiting = 0;
  }
  for (unsigned k = 0; k < waiting; ++k) {
    const uint32_t *at = m->nodes + m->entries[trees[k]];
    for (unsigned d = 0; d < m->depths[trees[k]]; ++d) at += step(*at, bins);
    sum += leaf_of(m, trees[k], at);
  }
  return sum * s->leaf_scale;
}

/* log(1 + weighted sum of counts). */
static double guess_of(const costmodel *m, uint32_t number, const work *w) {
  const size_t p = m->n.features;
  const float *weights = m->guesses + ((size_t)number * 2 * (m->n.archs + 1) + w->guess_row) * (p + 1);
  double sum = (double)weights[p];
  for (size_t i = 0; i < w->presents; ++i) sum += (double)w->x[w->present[i]] * (double)weights[w->present[i]];
  return log1p(sum > 0 ? sum : 0.0);
}

static void run_layer(const layer *l, const float *in, float *out) {
  for (uint32_t j = 0; j < l->padded; ++j) out[j] = l->bias[j];
  for (uint32_t i = 0; i < l->in; ++i) {
    const float value = in[i], *weights = l->weights + (size_t)i * l->padded;
    if (value == 0.0f) continue;
    add_scaled(out, value, weights, l->padded);
  }
  if (l->relu)
    for (uint32_t j = 0; j < l->padded; ++j) out[j] = out[j] > 0 ? out[j] : 0.0f;
}

/* The inputs go, compressed and clipped, through the first layer as they are read; the rest layer by layer. */
static const float *run_network(const costmodel *m, work *w) {
  const layer *first = &m->layers[0];
  float *out = w->hidden[0];
  for (uint32_t j = 0; j < first->padded; ++j) out[j] = first->bias[j];
  for (uint32_t i = 0; i < m->input_count; ++i) {
    float value = compressed(w->x[m->inputs[i]]);
    const float limit = m->limits[i], *weights = first->weights + (size_t)i * first->padded;
    if (value == 0.0f) continue;
    value = value > limit ? limit : value < -limit ? -limit : value;
    add_scaled(out, value * m->gains[i], weights, first->padded);
  }
  if (first->relu)
    for (uint32_t j = 0; j < first->padded; ++j) out[j] = out[j] > 0 ? out[j] : 0.0f;
  for (uint32_t i = 1; i < m->layer_count; ++i) run_layer(&m->layers[i], w->hidden[(i + 1) % 2], w->hidden[i % 2]);
  return w->hidden[(m->layer_count + 1) % 2];
}

#if defined(__GNUC__) && defined(__x86_64__)
/* `near_enough` on eight lanes: the same sums. */
__attribute__((target("avx2"))) static int near_enough_avx2(const float *point, const float *block, size_t n,
                                                            float limit, float *squared) {
  __m256 sum = _mm256_setzero_ps();
  for (size_t j = 0; j < n;) {
    for (const size_t end = j + LANES < n ? j + LANES : n; j < end; ++j) {
      const __m256 off = _mm256_sub_ps(_mm256_set1_ps(point[j]), _mm256_loadu_ps(block + j * LANES));
      sum = _mm256_add_ps(sum, _mm256_mul_ps(off, off));
    }
    if (!_mm256_movemask_ps(_mm256_cmp_ps(sum, _mm256_set1_ps(limit), _CMP_LT_OQ))) return 0;
  }
  _mm256_storeu_ps(squared, sum);
  return 1;
}
#define NEAR_ENOUGH (__builtin_cpu_supports("avx2") ? near_enough_avx2 : near_enough)
#else
#define NEAR_ENOUGH near_enough
#endif

/* Take over the references of a block that are among the nearest, `best[wanted]` in ascending order. */
static void take_nearest(const float *point, const float *block, size_t k, float *best, size_t wanted) {
  float squared[LANES];
  if (!NEAR_ENOUGH(point, block, k, best[wanted - 1], squared)) return;
  for (size_t lane = 0; lane < LANES; ++lane) {
    if (!(squared[lane] < best[wanted - 1])) continue;
    size_t at = wanted - 1;
    for (; at > 0 && squared[lane] < best[at - 1]; --at) best[at] = best[at - 1];
    best[at] = squared[lane];
  }
}

/* Mean distance to the nearest references. They are sorted by their first number: from the point's own place on, none
 * is nearer any more where that number alone is too far. */
static double nearest(const costmodel *m, const float *point) {
  float best[64];
  const size_t k = m->n.components, wanted = m->n.neighbours, blocks = m->blocks_of_references, size = k * LANES;
  for (size_t i = 0; i < wanted; ++i) best[i] = FLT_MAX;
  size_t from = 0, to = blocks;
  while (from < to) {
    const size_t middle = (from + to) / 2;
    if (m->references[middle * size] < point[0]) from = middle + 1;
    else to = middle;
  }
  for (size_t b = from ? from - 1 : 0; b < blocks; ++b) {
    const float off = m->references[b * size] - point[0];
    if (off > 0 && off * off >= best[wanted - 1]) break;
    take_nearest(point, m->references + b * size, k, best, wanted);
  }
  for (size_t b = from ? from - 1 : 0; b-- > 0;) {
    const float off = point[0] - m->references[b * size + LANES - 1];
    if (off > 0 && off * off >= best[wanted - 1]) break;
    take_nearest(point, m->references + b * size, k, best, wanted);
  }
  double sum = 0;
  for (size_t i = 0; i < wanted; ++i) sum += sqrt((double)best[i]);
  return sum / (double)wanted;
}

static float placed(const costmodel *m, const work *w, size_t feature) {
  return (compressed(w->x[feature]) - m->center[feature]) / m->spread[feature];
}

/* Where a function lies, and the square of its distance from the space of the components. Features that are 0 lie at
 * the origin; the components are orthogonal, so that they leave the length less that of the projection. */
static double project(const costmodel *m, const work *w, float *point, double *length) {
  *length = m->origin_squares;
  memcpy(point, m->origin, m->padded * sizeof *point);
  for (size_t i = 0; i < w->presents; ++i) {
    const size_t at = w->present[i];
    const float zero = (0.0f - m->center[at]) / m->spread[at], z = placed(m, w, at);
    *length += (double)z * (double)z - (double)zero * (double)zero;
    add_scaled(point, z - zero, m->components + at * m->padded, m->padded);
  }
  double left = *length;
  for (size_t j = 0; j < m->padded; ++j) left -= (double)point[j] * (double)point[j] / (double)m->norms[j];
  return left;
}

/* The same feature by feature, where so little is left that a difference of lengths is too coarse. */
static double project_exactly(const costmodel *m, const work *w, float *point) {
  double left = 0;
  memset(point, 0, m->padded * sizeof *point);
  for (size_t i = 0; i < m->n.features; ++i)
    add_scaled(point, placed(m, w, i), m->components + i * m->padded, m->padded);
  for (size_t i = 0; i < m->n.features; ++i) {
    const float *component = m->components + i * m->padded;
    float off = placed(m, w, i);
    for (size_t j = 0; j < m->padded; ++j) off -= point[j] / m->norms[j] * component[j];
    left += (double)off * (double)off;
  }
  return left;
}

/* How far the function lies from the training data, over the threshold of `known`. */
static double distance_of(const costmodel *m, work *w) {
  if (m->n.components == 0) return 0.0;
  double length, left = project(m, w, w->point, &length);
  if (!(left > COARSE * length)) left = project_exactly(m, w, w->point);
  const double residual = sqrt(left / (double)m->n.features);
  const double unseen = m->numbers[2] * (double)w->x[m->n.features];
  return (nearest(m, w->point) + residual / m->numbers[0] + unseen) / m->numbers[1];
}

static double unscale(double value, uint32_t kind) {
  if (kind == LINEAR) return value > 0 ? value : 0.0;
  value = value < -60.0 ? -60.0 : value > 60.0 ? 60.0 : value;
  if (kind == LOG) return exp(value);
  if (kind == LOGIT) return 1.0 / (1.0 + exp(-value));
  value = expm1(value);
  return value > 0 ? value : 0.0;
}

/* One member's mean, deviation and probability on the metric's scale (zero-inflated: Lambert 1992). */
static void combine(const costmodel *m, uint32_t i, double deviation, double magnitude, double *nonzero, double *mean,
                    double *std) {
  *mean = magnitude;
  *std = deviation;
  if (m->metrics[i].scale == ZERO_INFLATED) {
    const double p = *nonzero, size = magnitude > 0 ? magnitude : 0.0;
    *mean = log1p(p * expm1(size < 60.0 ? size : 60.0));
    *std = sqrt(p * deviation * deviation + p * (1 - p) * size * size);
  } else {
    *nonzero = NAN;
  }
  if (*std < m->numbers[3]) *std = m->numbers[3];
}

static double margin_of(const costmodel *m, const slot *s, const work *w, const float *outputs) {
  double margin = s->guess ? guess_of(m, s->guess - 1, w) : s->base;
  if (s->trees) margin += walk(m, s, w->bins);
  return s->kind == 1 ? margin + (double)outputs[s->output] : margin;
}

/* Means and deviations on the metrics' scales, of the mixture of all members (Lakshminarayanan et al. 2017). */
static void run_members(const costmodel *m, work *w) {
  const uint32_t metrics = m->n.metrics;
  const float *outputs = m->layer_count ? run_network(m, w) : NULL;
  double *mean_square = w->mean + metrics, *variance = w->std + metrics;
  if (m->n.columns) bin_columns(m, 0, w->x, 0, SIZE_MAX, w->bins);
  for (uint32_t i = 0; i < metrics; ++i) w->mean[i] = mean_square[i] = variance[i] = w->nonzero[i] = 0.0;
  for (uint32_t member = 0, at = 0; member < m->n.members; ++member) {
    double *gate = w->std; /* free until the end */
    for (uint32_t i = 0; i < metrics; ++i) gate[i] = 1.0;
    for (; at < m->n.slots && m->slots[at].part != WIDTH && m->slots[at].member == member; ++at) {
      const slot *s = &m->slots[at];
      if (!w->asked[s->metric]) continue;
      double margin = margin_of(m, s, w, outputs);
      if (s->part == MEAN) w->magnitude[s->metric] = margin;
      else gate[s->metric] = 1.0 / (1.0 + exp(-(margin < -40 ? -40 : margin > 40 ? 40 : margin)));
    }
    for (uint32_t i = 0; i < metrics; ++i) {
      if (!w->asked[i]) continue;
      double mean, std, nonzero = gate[i];
      combine(m, i, m->deviations[(size_t)member * metrics + i], w->magnitude[i], &nonzero, &mean, &std);
      w->mean[i] += mean;
      mean_square[i] += mean * mean;
      variance[i] += std * std;
      w->nonzero[i] += nonzero;
    }
  }
  const double count = m->n.members;
  for (uint32_t i = 0; i < metrics; ++i) {
    w->mean[i] /= count;
    const double spread = count > 1 ? mean_square[i] / count - w->mean[i] * w->mean[i] : 0.0;
    w->std[i] = sqrt(variance[i] / count + (spread > 0 ? spread : 0.0));
    w->nonzero[i] /= count;
  }
}

/* Half the interval on the metric's scale, and the calibrated deviation in `*std` (conformal; Vovk et al. 2005). */
static double half_width(const costmodel *m, uint32_t i, double distance, double ops, work *w, double *std) {
  const uint32_t metrics = m->n.metrics;
  if (!m->n.conformal) return Z90 * *std;
  w->width[0] = (float)w->mean[i];
  w->width[1] = (float)w->std[i];
  w->width[2] = isnan(w->nonzero[i]) ? 1.0f : (float)w->nonzero[i];
  w->width[3] = (float)(distance < 50.0 ? distance : 50.0);
  w->width[4] = (float)log1p(ops);
  bin_columns(m, 1, w->width, 0, WIDTH_OWN, w->bins);
  for (uint32_t s = 0; s < m->n.slots; ++s) {
    if (m->slots[s].part != WIDTH || m->slots[s].metric != i) continue;
    double size = exp(m->slots[s].base + walk(m, &m->slots[s], w->bins));
    size = (size > 1e-3 ? size : 1e-3) * m->conformal[i];
    *std = size > 1e-3 ? size : 1e-3;
  }
  return *std / m->conformal[i] * m->conformal[(size_t)metrics * (1 + w->guess_row) + i];
}

static double at_most(double value, double most) { return value > most ? most : value; }

static void answer_metric(const costmodel *m, uint32_t i, double distance, double ops, work *w,
                          costmodel_estimate *out) {
  const uint32_t kind = m->metrics[i].scale;
  const double most = m->metrics[i].maximum, mean = w->mean[i];
  double std = w->std[i], half = half_width(m, i, distance, ops, w, &std);
  out->exists = 1;
  out->mean = at_most(unscale(mean, kind), most);
  const double spread = (unscale(mean + std, kind) - unscale(mean - std, kind)) / 2;
  out->std = at_most(spread > 1e-12 ? spread : 1e-12, most);
  out->low = at_most(unscale(mean - half, kind), most);
  out->high = at_most(unscale(mean + half, kind), most);
  if (w->nonzero[i] < SURE) out->low = 0.0; /* NaN is not */
  if (out->low > out->mean) out->low = out->mean;
  if (out->high < out->mean) out->high = out->mean;
  out->nonzero = w->nonzero[i];
}

static costmodel_status fill_features(const costmodel *m, const double *features, work *w) {
  const size_t p = m->n.features;
  float *x = w->x;
  for (size_t i = 0; i <= p; ++i)
    if (!(fabs(features[i]) <= DBL_MAX)) return COSTMODEL_ERROR_NOT_FINITE;
  const double ops = features[m->n.ops];
  if (ops == 0) return COSTMODEL_ERROR_EMPTY;
  w->presents = 0;
  for (size_t i = 0; i < p; ++i) {
    const double value = features[i];
    x[i] = (float)(value > 3e38 ? 3e38 : value < -3e38 ? -3e38 : value);
    w->present[w->presents] = (uint16_t)i;
    w->presents += x[i] != 0.0f;
  }
  const double unseen = features[p] / (ops > 1.0 ? ops : 1.0);
  x[p] = (float)(unseen > 3e38 ? 3e38 : unseen < -3e38 ? -3e38 : unseen);
  const float size = x[m->n.ops] > 1.0f ? x[m->n.ops] : 1.0f;
  for (size_t i = 0; i < m->n.ratios; ++i) x[p + 1 + m->n.context + i] = x[m->ratios[i]] / size;
  return COSTMODEL_OK;
}

static costmodel_status fill_context(const costmodel *m, const costmodel_request *q, size_t arch, work *w) {
  double figures[FIGURES];
  uint32_t bucket = NONE;
  memcpy(figures, (const char *)q->target + offsetof(costmodel_target, vector_bits), sizeof figures);
  for (size_t i = 0; i < FIGURES; ++i)
    if (!(fabs(figures[i]) <= DBL_MAX)) return COSTMODEL_ERROR_NOT_FINITE;
  const size_t pipeline = q->pipeline ? find(m->pipelines, m->n.pipelines, q->pipeline) : m->n.own_pipeline;
  if (q->pipeline && pipeline == COSTMODEL_NOT_FOUND) return COSTMODEL_ERROR_UNKNOWN_PIPELINE;
  if (pipeline != NONE) bucket = m->bucket_of[pipeline];
  w->guess_row = arch + (bucket == m->n.standing_bucket ? m->n.archs + 1 : 0);
  for (uint32_t i = 0; i < m->n.context; ++i) {
    const context_column *c = &m->context[i];
    float value = 0.0f;
    if (c->kind == FIGURE) value = (float)log2(1 + (figures[c->index] > 0 ? figures[c->index] : 0.0));
    else if (c->kind == ARCH) value = c->index == arch;
    else if (c->kind == PIPELINE) value = c->index == bucket;
    w->x[m->n.features + 1 + i] = value;
  }
  return COSTMODEL_OK;
}

static costmodel_status check_request(const costmodel *m, const costmodel_request *q, const void *scratch,
                                      size_t scratch_bytes, const costmodel_estimate *estimates, size_t count,
                                      const costmodel_answer *answer) {
  if (!m || !q || !scratch || !estimates) return COSTMODEL_ERROR_ARGUMENT;
  if (q->struct_size != sizeof *q || (answer && answer->struct_size != sizeof *answer)) return COSTMODEL_ERROR_SIZE;
  if (!q->target || !q->target->arch) return COSTMODEL_ERROR_ARGUMENT;
  if (q->target->struct_size != sizeof *q->target || scratch_bytes < costmodel_scratch_bytes(m))
    return COSTMODEL_ERROR_SIZE;
  if (count != (q->metrics ? q->metric_count : m->n.metrics)) return COSTMODEL_ERROR_SIZE;
  for (size_t i = 0; q->metrics && i < q->metric_count; ++i)
    if (q->metrics[i] >= m->n.metrics) return COSTMODEL_ERROR_UNKNOWN_METRIC;
  return COSTMODEL_OK;
}

static costmodel_status predict(const costmodel *m, const double *features, const costmodel_request *q, work *w,
                                costmodel_estimate *estimates, size_t count, costmodel_answer *answer) {
  size_t arch = find(m->archs, m->n.archs, q->target->arch);
  const int listed = arch != COSTMODEL_NOT_FOUND;
  if (!listed) arch = m->n.archs; /* the row for any other */
  costmodel_status status = fill_features(m, features, w);
  if (status == COSTMODEL_OK) status = fill_context(m, q, arch, w);
  if (status != COSTMODEL_OK) return status;
  for (size_t i = 0; i < m->n.metrics; ++i) w->asked[i] = !q->metrics && exists_on(m, i, arch);
  for (size_t i = 0; q->metrics && i < count; ++i) w->asked[q->metrics[i]] = (uint8_t)exists_on(m, q->metrics[i], arch);
  const double distance = distance_of(m, w), ops = features[m->n.ops];
  run_members(m, w);
  memcpy(w->width + WIDTH_OWN, w->x + m->n.features + 1, m->n.context * sizeof(float));
  if (m->n.width_columns) bin_columns(m, 1, w->width, WIDTH_OWN, SIZE_MAX, w->bins);
  for (size_t i = 0; i < count; ++i) {
    uint32_t which = q->metrics ? q->metrics[i] : (uint32_t)i;
    if (w->asked[which]) answer_metric(m, which, distance, ops, w, &estimates[i]);
    else estimates[i] = (costmodel_estimate){NAN, NAN, NAN, NAN, NAN, 0};
  }
  if (answer) {
    answer->distance = distance;
    answer->known = distance <= 1.0 && listed && m->known_archs[arch];
  }
  return COSTMODEL_OK;
}

costmodel_status costmodel_predict(const costmodel *m, const costmodel_request *q, void *scratch, size_t scratch_bytes,
                                   costmodel_estimate *estimates, size_t count, costmodel_answer *answer) {
  costmodel_status status = check_request(m, q, scratch, scratch_bytes, estimates, count, answer);
  work w;
  if (status != COSTMODEL_OK) return status;
  if (m->n.takes_graph) return COSTMODEL_ERROR_INPUT_KIND;
  if (!q->features) return COSTMODEL_ERROR_ARGUMENT;
  if (q->feature_count != costmodel_feature_count(m)) return COSTMODEL_ERROR_SIZE;
  lay_out(m, scratch, &w);
  return predict(m, q->features, q, &w, estimates, count, answer);
}

/* ---- graphs ----------------------------------------------------------------------------------------------------- */

static costmodel_status pool(const costmodel *m, const costmodel_graph *g, double *features) {
  double kinds[256] = {0}, edges[256] = {0};
  const size_t p = m->n.features;
  memset(features, 0, (p + 1) * sizeof *features);
  for (size_t i = 0; i < g->node_count; ++i) {
    const int64_t token = (int64_t)g->node_token[i] * KINDS + g->node_kind[i];
    const int listed = g->node_token[i] >= 0 && g->node_kind[i] < KINDS && (size_t)token < m->tokens;
    const uint32_t column_of_token = listed ? m->token_column[token] : 0;
    kinds[g->node_kind[i]] += 1;
    if (column_of_token) features[column_of_token - 1] += 1;
    else if (g->node_kind[i] == 0) features[p] += 1; /* an operation never seen */
  }
  for (size_t i = 0; i < g->edge_count; ++i) edges[g->edge_kind[i]] += 1;
  for (size_t i = 0; i < p; ++i) {
    const uint32_t kind = m->pools[2 * i], index = m->pools[2 * i + 1];
    if (kind == POOL_KIND) features[i] = kinds[index];
    if (kind == POOL_EDGE) features[i] = edges[index];
    if (kind != POOL_NUM_SUM && kind != POOL_NUM_MAX) continue;
    for (size_t node = 0; node < g->node_count; ++node) {
      const double value = (double)g->node_num[node * g->node_num_columns + index];
      if (kind == POOL_NUM_SUM) features[i] += value;
      else if (value > features[i]) features[i] = value;
    }
  }
  return COSTMODEL_OK;
}

costmodel_status costmodel_predict_graph(const costmodel *m, const costmodel_graph *g, const costmodel_request *q,
                                         void *scratch, size_t scratch_bytes, costmodel_estimate *estimates,
                                         size_t count, costmodel_answer *answer) {
  costmodel_status status = check_request(m, q, scratch, scratch_bytes, estimates, count, answer);
  work w;
  if (status != COSTMODEL_OK) return status;
  if (!g) return COSTMODEL_ERROR_ARGUMENT;
  if (!m->n.takes_graph) return COSTMODEL_ERROR_INPUT_KIND;
  if (g->struct_size != sizeof *g || q->features || q->feature_count) return COSTMODEL_ERROR_SIZE;
  if (g->vocabulary_version != m->graph_head[0] || g->node_num_columns != m->graph_head[1])
    return COSTMODEL_ERROR_VOCABULARY;
  if (g->node_count && (!g->node_kind || !g->node_token || !g->node_num)) return COSTMODEL_ERROR_ARGUMENT;
  if (g->edge_count && !g->edge_kind) return COSTMODEL_ERROR_ARGUMENT;
  lay_out(m, scratch, &w);
  status = pool(m, g, w.pooled);
  return status == COSTMODEL_OK ? predict(m, w.pooled, q, &w, estimates, count, answer) : status;
}
