/* Weights, and then features, that somebody damaged. With libFuzzer: LLVMFuzzerTestOneInput. Without: a main that
 * damages the file it is given so many times. Either way nothing may be read or written out of bounds. */
#include "costmodel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(const costmodel *model, const uint8_t *data, size_t size) {
  static const char *const archs[] = {"x86-64", "nvptx64", "vax"};
  size_t count = costmodel_feature_count(model), metrics = costmodel_metric_count(model);
  double *features = calloc(count, sizeof *features);
  costmodel_estimate *estimates = calloc(metrics, sizeof *estimates);
  void *scratch = malloc(costmodel_scratch_bytes(model));
  for (size_t i = 0; i < count && size; ++i) features[i] = (double)data[i % size] * (i % 7 ? 1.0 : 1e30);
  costmodel_target target = {.struct_size = sizeof target, .arch = archs[size % 3], .vector_bits = (double)(size % 513)};
  costmodel_request request = {.struct_size = sizeof request, .features = features, .feature_count = count, .target = &target};
  costmodel_answer answer = {.struct_size = sizeof answer};
  costmodel_predict(model, &request, scratch, costmodel_scratch_bytes(model), estimates, metrics, &answer);
  uint8_t kinds[64];
  int32_t tokens[64];
  float numbers[64 * 16] = {0};
  for (size_t i = 0; i < 64; ++i) {
    kinds[i] = size ? data[i % size] : 0;
    tokens[i] = size ? (int32_t)data[i % size] * (i % 2 ? 1 : -77777) : 0;
  }
  costmodel_graph graph = {.struct_size = sizeof graph, .node_count = 64, .edge_count = 64, .node_num_columns = 16,
                           .vocabulary_version = 1, .node_kind = kinds, .node_token = tokens, .node_num = numbers,
                           .edge_kind = kinds};
  request.features = NULL;
  request.feature_count = 0;
  costmodel_predict_graph(model, &graph, &request, scratch, costmodel_scratch_bytes(model), estimates, metrics, &answer);
  for (size_t i = 0; i <= count; ++i) {
    const char *name = costmodel_feature_name(model, i);
    if (name && costmodel_feature_index(model, name) > count) abort();
  }
  free(scratch);
  free(estimates);
  free(features);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  costmodel *model;
  if (costmodel_create_from_memory(COSTMODEL_ABI_VERSION, data, size, &model) == COSTMODEL_OK) ask(model, data, size);
  costmodel_destroy(model);
  return 0;
}

#ifndef WITH_LIBFUZZER
static uint64_t state;
static uint64_t draw(uint64_t below) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (state >> 33) % below;
}

int main(int count, char **arguments) {
  FILE *file = count == 3 ? fopen(arguments[1], "rb") : NULL;
  if (!file) return 2;
  static uint8_t whole[1 << 22], damaged[1 << 22];
  const size_t size = fread(whole, 1, sizeof whole, file);
  fclose(file);
  LLVMFuzzerTestOneInput(whole, size);
  for (long round = 0; round < atol(arguments[2]); ++round) {
    size_t length = size;
    state = (uint64_t)round;
    memcpy(damaged, whole, size);
    for (uint64_t change = draw(4) + 1; change; --change) {
      const size_t at = draw(round % 3 ? size : size < 4096 ? size : 4096);
      const uint32_t words[] = {0, 1, 0x7f, 0xff, 0xffff, 0x7fffffff, 0xffffffff, (uint32_t)draw(1u << 31)};
      const uint32_t word = words[draw(8)];
      if (draw(2)) damaged[at] = (uint8_t)word;
      else memcpy(damaged + at / 4 * 4, &word, size - at / 4 * 4 < 4 ? 1 : 4);
    }
    if (draw(16) == 0) {
      length = draw(size);
      if (length >= 24) memcpy(damaged + 16, &(uint64_t){length}, 8);
    }
    uint8_t *exact = malloc(length ? length : 1); /* so that the sanitizer sees where it ends */
    memcpy(exact, damaged, length);
    LLVMFuzzerTestOneInput(exact, length);
    free(exact);
  }
  return 0;
}
#endif
