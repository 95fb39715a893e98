/* Prints what the model says of one small function. Build: cc -O2 example.c costmodel.c -lm -o example
 * Run: ./example [WEIGHTS [TARGET]] */
#include "costmodel.h"

#include <stdio.h>
#include <stdlib.h>

static int fail(const char *what, int status) {
  fprintf(stderr, "%s: %s\n", what, costmodel_error_string(status));
  return 2;
}

int main(int count, char **arguments) {
  const char *path = count > 1 ? arguments[1] : "costmodel.weights";
  const char *name = count > 2 ? arguments[2] : "x86-64/znver4";
  costmodel *model;
  int status = costmodel_create_from_file(COSTMODEL_ABI_VERSION, path, &model);
  if (status != COSTMODEL_OK) return fail(path, status);

  costmodel_target target = {.struct_size = sizeof target};
  status = costmodel_target_by_name(model, name, &target);
  if (status != COSTMODEL_OK) return fail(name, status);

  /* float f(float a, float *p) { return a * p[0] + p[1]; } */
  size_t features_count = costmodel_feature_count(model), metrics = costmodel_metric_count(model);
  double *features = calloc(features_count, sizeof *features);
  costmodel_estimate *estimates = calloc(metrics, sizeof *estimates);
  void *scratch = malloc(costmodel_scratch_bytes(model));
  if (!features || !estimates || !scratch) return fail("example", COSTMODEL_ERROR_MEMORY);
  const struct { const char *name; double value; } known[] = {
    {"static:ops", 5}, {"static:blocks", 1}, {"static:n_load_float", 2}, {"static:n_fmul_f32", 1},
    {"static:n_fadd_f32", 1}, {"static:n_ret", 1}, {"count:llvm.load f32", 2}, {"count:llvm.fmul f32", 1},
    {"count:llvm.fadd f32", 1}, {"count:llvm.return f32", 1},
  };
  for (size_t i = 0; i < sizeof known / sizeof *known; ++i)
    costmodel_feature_add(model, features, features_count, known[i].name, known[i].value);

  costmodel_request request = {.struct_size = sizeof request, .features = features, .feature_count = features_count,
                               .target = &target};
  costmodel_answer answer = {.struct_size = sizeof answer};
  status = costmodel_predict(model, &request, scratch, costmodel_scratch_bytes(model), estimates, metrics, &answer);
  if (status != COSTMODEL_OK) return fail("costmodel_predict", status);

  printf("%s on %s: %s (distance %.2f)\n", costmodel_model_name(model), name, answer.known ? "known" : "not known",
         answer.distance);
  for (size_t i = 0; i < metrics; ++i)
    if (estimates[i].exists)
      printf("%-24s %10.4g  (%.4g to %.4g) %s\n", costmodel_metric_name(model, i), estimates[i].mean, estimates[i].low,
             estimates[i].high, costmodel_metric_unit(model, i));
  free(scratch);
  free(estimates);
  free(features);
  costmodel_destroy(model);
  return 0;
}
