/* Every wrong use is a status; several threads on one model get the same numbers as one alone. */
#include "costmodel.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPECT(condition)                                             \
  do {                                                                \
    if (!(condition)) {                                               \
      fprintf(stderr, "line %d: %s is false\n", __LINE__, #condition); \
      exit(1);                                                        \
    }                                                                 \
  } while (0)
#define THREADS 4
#define QUESTIONS 200

static costmodel *model;
static costmodel_target target = {.struct_size = sizeof target};
static double means[THREADS][QUESTIONS];

static void *ask(void *argument) {
  const size_t number = (size_t)(uintptr_t)argument, count = costmodel_feature_count(model);
  double *features = calloc(count, sizeof *features);
  costmodel_estimate *estimates = calloc(costmodel_metric_count(model), sizeof *estimates);
  void *scratch = malloc(costmodel_scratch_bytes(model));
  for (size_t i = 0; i < QUESTIONS; ++i) {
    for (size_t j = 0; j < count; ++j) features[j] = (double)((i * 31 + j * 17) % 23);
    features[costmodel_feature_index(model, "static:ops")] = 1 + (double)i;
    costmodel_request request = {.struct_size = sizeof request, .features = features, .feature_count = count, .target = &target};
    EXPECT(costmodel_predict(model, &request, scratch, costmodel_scratch_bytes(model), estimates,
                             costmodel_metric_count(model), NULL) == COSTMODEL_OK);
    means[number][i] = estimates[0].mean + estimates[1].high;
  }
  free(scratch);
  free(estimates);
  free(features);
  return NULL;
}

static void check_threads(void) {
  pthread_t threads[THREADS];
  for (size_t i = 0; i < THREADS; ++i) pthread_create(&threads[i], NULL, ask, (void *)(uintptr_t)i);
  for (size_t i = 0; i < THREADS; ++i) pthread_join(threads[i], NULL);
  for (size_t i = 1; i < THREADS; ++i) EXPECT(memcmp(means[0], means[i], sizeof means[0]) == 0);
  EXPECT(means[0][0] != means[0][1]);
}

static void check_statuses(const char *path) {
  costmodel *other = model;
  EXPECT(costmodel_create_from_file(COSTMODEL_ABI_VERSION + 1, path, &other) == COSTMODEL_ERROR_ABI_VERSION && !other);
  EXPECT(costmodel_create_from_file(COSTMODEL_ABI_VERSION, "/does/not/exist", &other) == COSTMODEL_ERROR_FILE);
  EXPECT(costmodel_create_from_file(COSTMODEL_ABI_VERSION, path, NULL) == COSTMODEL_ERROR_ARGUMENT);
  EXPECT(costmodel_create_from_memory(COSTMODEL_ABI_VERSION, NULL, 9, &other) == COSTMODEL_ERROR_ARGUMENT);
  const size_t count = costmodel_feature_count(model), bytes = costmodel_scratch_bytes(model);
  double *features = calloc(count, sizeof *features);
  char *scratch = malloc(bytes + 1);
  costmodel_estimate found[8], again[8];
  features[costmodel_feature_index(model, "static:ops")] = 7;
  costmodel_answer answer = {.struct_size = sizeof answer};
  costmodel_request good = {.struct_size = sizeof good, .features = features, .feature_count = count, .target = &target}, q = good;
  EXPECT(costmodel_predict(model, &q, scratch, bytes, found, 3, &answer) == COSTMODEL_OK);
  EXPECT(costmodel_predict(model, &q, scratch + 1, bytes, again, 3, NULL) == COSTMODEL_OK && again[0].mean == found[0].mean);
  EXPECT(costmodel_predict(model, &q, scratch, bytes - 1, found, 3, &answer) == COSTMODEL_ERROR_SIZE);
  EXPECT(costmodel_predict(model, &q, scratch, bytes, found, 2, &answer) == COSTMODEL_ERROR_SIZE);
  EXPECT(costmodel_predict(NULL, &q, scratch, bytes, found, 3, &answer) == COSTMODEL_ERROR_ARGUMENT);
  EXPECT(costmodel_predict(model, NULL, scratch, bytes, found, 3, &answer) == COSTMODEL_ERROR_ARGUMENT);
  answer.struct_size = 1;
  EXPECT(costmodel_predict(model, &q, scratch, bytes, found, 3, &answer) == COSTMODEL_ERROR_SIZE);
  answer.struct_size = sizeof answer;
  q.struct_size = 8;
  EXPECT(costmodel_predict(model, &q, scratch, bytes, found, 3, &answer) == COSTMODEL_ERROR_SIZE);
  q = good;
  q.target = NULL;
  EXPECT(costmodel_predict(model, &q, scratch, bytes, found, 3, &answer) == COSTMODEL_ERROR_ARGUMENT);
  const uint32_t one[] = {1}, none[] = {99};
  q = good;
  q.metrics = one;
  q.metric_count = 1;
  EXPECT(costmodel_predict(model, &q, scratch, bytes, again, 1, &answer) == COSTMODEL_OK && again[0].mean == found[1].mean);
  q.metrics = none;
  EXPECT(costmodel_predict(model, &q, scratch, bytes, again, 1, &answer) == COSTMODEL_ERROR_UNKNOWN_METRIC);
  costmodel_target bad = target;
  bad.struct_size = 4;
  EXPECT(costmodel_target_by_name(model, "x86-64/znver4", &bad) == COSTMODEL_ERROR_SIZE);
  free(scratch);
  free(features);
}

static void check_names(void) {
  EXPECT(costmodel_metric_index(model, "spills") == 1 && costmodel_metric_index(model, "x") == COSTMODEL_NOT_FOUND);
  EXPECT(strcmp(costmodel_metric_unit(model, 2), "fraction") == 0 && !costmodel_metric_name(model, 3));
  EXPECT(costmodel_metric_exists(model, 0, "nvptx64") && !costmodel_metric_exists(model, 2, "nvptx64"));
  EXPECT(costmodel_version_of(model, "features") > 0 && costmodel_version_of(model, "x") == 0);
  EXPECT(costmodel_feature_count(NULL) == 0 && !costmodel_feature_name(model, costmodel_feature_count(model)));
  EXPECT(strcmp(costmodel_error_string(-1), "unknown status") == 0 && strcmp(costmodel_error_string(17), "unknown status") == 0);
  const size_t count = costmodel_feature_count(model);
  double *features = calloc(count, sizeof *features);
  EXPECT(costmodel_feature_add(model, features, count, "count:none i7", 2) == COSTMODEL_OK && features[count - 1] == 2);
  EXPECT(costmodel_feature_add(model, features, count, "static:ops", 2) == COSTMODEL_OK);
  EXPECT(features[costmodel_feature_index(model, "static:ops")] == 2);
  EXPECT(costmodel_feature_add(model, features, 1, "static:ops", 2) == COSTMODEL_ERROR_SIZE);
  free(features);
}

int main(int count, char **arguments) {
  EXPECT(count == 2 && costmodel_create_from_file(COSTMODEL_ABI_VERSION, arguments[1], &model) == COSTMODEL_OK);
  EXPECT(costmodel_target_by_name(model, "x86-64/znver4", &target) == COSTMODEL_OK && target.vector_bits == 512);
  check_statuses(arguments[1]);
  check_names();
  check_threads();
  costmodel_destroy(model);
  costmodel_destroy(NULL);
  puts("fine");
  return 0;
}
