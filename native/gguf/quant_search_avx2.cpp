// Compiled with -mavx2 (see CMakeLists.txt), run only where the processor has it.
#if defined(__x86_64__)
#define OWL3_QUANT_TABLE kQuantSearchAvx2
#include "gguf/quant_search.inc"
#endif
