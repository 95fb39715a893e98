/* costmodel: what a function of compiler IR will cost, asked from C. No dependency but libc and libm.
 *
 * Lifetime: `costmodel_create_*` once, then any number of `costmodel_predict*` from any number of threads on the same
 * model (it is never written to), each with a scratch of its own; `costmodel_destroy` when no thread asks any more.
 * Nothing is allocated after creation. Every function returns a status; none aborts, prints or sets errno on purpose.
 * Units: `costmodel_metric_unit`. Intervals `low` to `high` hold 90 %.
 */
#ifndef COSTMODEL_H
#define COSTMODEL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define COSTMODEL_ABI_VERSION 1u
#define COSTMODEL_NOT_FOUND ((size_t)-1)

typedef struct costmodel costmodel;

typedef enum costmodel_status {
  COSTMODEL_OK = 0,
  COSTMODEL_ERROR_ABI_VERSION = 1,      /* the caller was compiled against another header */
  COSTMODEL_ERROR_FILE = 2,             /* the weights cannot be read */
  COSTMODEL_ERROR_FORMAT = 3,           /* not a file of weights */
  COSTMODEL_ERROR_FORMAT_VERSION = 4,   /* weights of another version: export again */
  COSTMODEL_ERROR_CHECKSUM = 5,         /* weights cut short or changed */
  COSTMODEL_ERROR_DAMAGED = 6,          /* weights that contradict themselves */
  COSTMODEL_ERROR_MEMORY = 7,
  COSTMODEL_ERROR_ARGUMENT = 8,         /* a null pointer */
  COSTMODEL_ERROR_SIZE = 9,             /* a struct or an array of another size than this model or header has */
  COSTMODEL_ERROR_NOT_FINITE = 10,      /* a feature or a figure is NaN or infinite */
  COSTMODEL_ERROR_UNKNOWN_TARGET = 11,
  COSTMODEL_ERROR_UNKNOWN_PIPELINE = 12,
  COSTMODEL_ERROR_UNKNOWN_METRIC = 13,
  COSTMODEL_ERROR_EMPTY = 14,           /* a function without operations */
  COSTMODEL_ERROR_INPUT_KIND = 15,      /* a graph for a model that takes features, or features for one of graphs */
  COSTMODEL_ERROR_VOCABULARY = 16       /* a graph of another vocabulary version */
} costmodel_status;

/* A target by its figures; the model never sees its name. 0 where a figure is not known. `struct_size` must be
 * sizeof(costmodel_target). `arch` is "x86-64", "aarch64", "riscv64", "nvptx64" or "amdgcn". */
typedef struct costmodel_target {
  size_t struct_size;
  const char *arch;
  double vector_bits, vector_registers;
  double l1d_bytes, l2_bytes, l3_bytes;
  double cores;
  double peak_flop_per_s, peak_bytes_per_s;
  double general_registers, issue_width, load_units, store_units, fma_units; /* of one core */
} costmodel_target;

/* A question. `struct_size` must be sizeof(costmodel_request). */
typedef struct costmodel_request {
  size_t struct_size;
  const double *features;   /* [feature_count], in the order of costmodel_feature_name; absent features are 0 */
  size_t feature_count;     /* must equal costmodel_feature_count */
  const costmodel_target *target;
  const char *pipeline;     /* NULL: the model's own where it has but one, else none */
  const uint32_t *metrics;  /* [metric_count], metrics wanted; NULL for all */
  size_t metric_count;
} costmodel_request;

/* One metric's answer, in its unit. */
typedef struct costmodel_estimate {
  double mean, std, low, high;
  double nonzero;  /* probability that the metric is not zero, NaN where that has no meaning */
  int32_t exists;  /* 0: the metric does not exist on the target's architecture; the numbers are NaN */
} costmodel_estimate;

/* What holds for the whole function. `struct_size` must be sizeof(costmodel_answer) before the call. */
typedef struct costmodel_answer {
  size_t struct_size;
  int32_t known;    /* 0: far from the training data; do not decide by this prediction */
  double distance;  /* from the training data, over the threshold of `known` */
} costmodel_answer;

/* A program's graph, ProgramGraph version 1: N nodes, E edges. Nothing is written to. */
typedef struct costmodel_graph {
  size_t struct_size;
  uint32_t vocabulary_version;
  size_t node_count, edge_count, node_num_columns;
  const uint8_t *node_kind;   /* [N] */
  const int32_t *node_token;  /* [N] */
  const float *node_num;      /* [N, node_num_columns] */
  const int64_t *edge_index;  /* [2, E]: sources, then destinations */
  const uint8_t *edge_kind;   /* [E] */
  const int16_t *edge_pos;    /* [E] */
} costmodel_graph;

uint32_t costmodel_abi_version(void);
/* English, static storage; "unknown status" for numbers that are none. */
const char *costmodel_error_string(int status);

/* `abi_version` must be COSTMODEL_ABI_VERSION of the header that the caller was compiled against. `*out` is NULL on
 * failure. The memory may be freed after the call. */
costmodel_status costmodel_create_from_file(uint32_t abi_version, const char *path, costmodel **out);
costmodel_status costmodel_create_from_memory(uint32_t abi_version, const void *data, size_t size, costmodel **out);
void costmodel_destroy(costmodel *model); /* NULL is allowed */

/* Names live as long as the model; NULL where the index is too large. Counts of NULL are 0. */
const char *costmodel_model_name(const costmodel *model);
size_t costmodel_feature_count(const costmodel *model);
const char *costmodel_feature_name(const costmodel *model, size_t index);
size_t costmodel_feature_index(const costmodel *model, const char *name); /* or COSTMODEL_NOT_FOUND */
size_t costmodel_metric_count(const costmodel *model);
const char *costmodel_metric_name(const costmodel *model, size_t index);
const char *costmodel_metric_unit(const costmodel *model, size_t index);
size_t costmodel_metric_index(const costmodel *model, const char *name); /* or COSTMODEL_NOT_FOUND */
int costmodel_metric_exists(const costmodel *model, size_t index, const char *arch);
size_t costmodel_target_count(const costmodel *model);
const char *costmodel_target_name(const costmodel *model, size_t index);
size_t costmodel_pipeline_count(const costmodel *model);
const char *costmodel_pipeline_name(const costmodel *model, size_t index);
/* Versions of the numbers that the model was trained on: "features", "vocabulary", "encoding", ...; 0 if absent. */
uint32_t costmodel_version_of(const costmodel *model, const char *what);
int costmodel_takes_graph(const costmodel *model);

/* Figures of a target by name, `arch/cpu`. `target->struct_size` must be set. */
costmodel_status costmodel_target_by_name(const costmodel *model, const char *name, costmodel_target *target);

/* Add to a feature by name. A "count:..." that the model does not list adds to its last feature, the operations it has
 * never seen; other names it does not list are dropped. `features` is [costmodel_feature_count], zeroed by the caller.
 * A name that begins with "most:" takes the larger value. */
costmodel_status costmodel_feature_add(const costmodel *model, double *features, size_t feature_count,
                                       const char *name, double value);

/* Bytes that `scratch` must have; any alignment. One for each thread. */
size_t costmodel_scratch_bytes(const costmodel *model);

/* Predict. `estimates` is [estimate_count]: one for each metric asked for, in the order asked; `answer` may be NULL. */
costmodel_status costmodel_predict(const costmodel *model, const costmodel_request *request, void *scratch,
                                   size_t scratch_bytes, costmodel_estimate *estimates, size_t estimate_count,
                                   costmodel_answer *answer);

/* The same from a graph's arrays, for models that take graphs; `request->features` is NULL, `feature_count` 0. */
costmodel_status costmodel_predict_graph(const costmodel *model, const costmodel_graph *graph,
                                         const costmodel_request *request, void *scratch, size_t scratch_bytes,
                                         costmodel_estimate *estimates, size_t estimate_count,
                                         costmodel_answer *answer);

#ifdef __cplusplus
}
#endif
#endif
