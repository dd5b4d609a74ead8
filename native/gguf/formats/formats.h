// All formats of OWL3_FORMATS (gguf/quant.h).
#pragma once
#include "gguf/formats/float.h"
#include "gguf/formats/q4_0.h"
#include "gguf/formats/q4_k.h"
#include "gguf/formats/q5_0.h"
#include "gguf/formats/q5_k.h"
#include "gguf/formats/q6_k.h"
#include "gguf/formats/q8_0.h"
