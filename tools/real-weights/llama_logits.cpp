// Logits of llama.cpp for measure.mjs, as reference.py writes PyTorch's:
//
//   llama_logits MODEL.gguf IDS.json CHUNKS OUT.f32 [f16|q8_0|f32] [THREADS]
//
// Chunks of 512 ids are texts of their own; the logits after the ids of each one's second half are written. README.md
// says how it is compiled.
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "llama.h"

int main(int argc, char** argv) {
  if (argc < 5) return std::fprintf(stderr, "llama_logits MODEL.gguf IDS.json CHUNKS OUT.f32 [KV] [THREADS]\n"), 2;
  std::ifstream file(argv[2]);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  std::vector<llama_token> ids;
  for (const char* at = text.c_str(); *at != 0;) {
    char* end;
    const long id = std::strtol(at, &end, 10);
    if (end == at) {
      at++;
    } else {
      ids.push_back(static_cast<llama_token>(id)), at = end;
    }
  }
  const std::string kv = argc > 5 ? argv[5] : "f16";
  constexpr int size = 512;
  llama_log_set(
      [](ggml_log_level level, const char* t, void*) { level >= GGML_LOG_LEVEL_ERROR ? fputs(t, stderr) : 0; },
      nullptr);
  llama_backend_init();
  llama_model* model = llama_model_load_from_file(argv[1], llama_model_default_params());
  if (!model) return std::fprintf(stderr, "%s can't be loaded.\n", argv[1]), 1;
  llama_context_params p = llama_context_default_params();
  p.n_ctx = p.n_batch = p.n_ubatch = size;
  p.n_threads = p.n_threads_batch = argc > 6 ? std::atoi(argv[6]) : 1;
  p.type_k = p.type_v = kv == "q8_0" ? GGML_TYPE_Q8_0 : kv == "f32" ? GGML_TYPE_F32 : GGML_TYPE_F16;
  if (kv == "q8_0") p.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_ENABLED;  // else it refuses quantised values
  llama_context* context = llama_init_from_model(model, p);
  FILE* out = std::fopen(argv[4], "wb");
  if (!context || !out) return std::fprintf(stderr, "no context or no output file\n"), 1;
  const size_t vocab = static_cast<size_t>(llama_vocab_n_tokens(llama_model_get_vocab(model)));
  llama_batch batch = llama_batch_init(size, 0, 1);
  for (int chunk = 0; chunk < std::atoi(argv[3]); chunk++) {
    llama_memory_clear(llama_get_memory(context), true);
    batch.n_tokens = size;
    for (int i = 0; i < size; i++) {
      batch.token[i] = ids.at(static_cast<size_t>(chunk * size + i));
      batch.pos[i] = i;
      batch.n_seq_id[i] = 1;
      batch.seq_id[i][0] = 0;
      batch.logits[i] = i >= size / 2;
    }
    if (llama_decode(context, batch) != 0) return std::fprintf(stderr, "llama_decode failed\n"), 1;
    for (int i = size / 2; i < size; i++) std::fwrite(llama_get_logits_ith(context, i), sizeof(float), vocab, out);
  }
  return std::fclose(out) == 0 ? 0 : 1;
}
