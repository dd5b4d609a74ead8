#define OWL3_QUANT_TABLE kQuantSearchBase
#include "gguf/quant_search.inc"
