// The functions by which each file of this room adds to the addon's exports.
#pragma once
#include <napi.h>

namespace owl3::addon {

struct Classes;

void export_system(Napi::Env env, Napi::Object exports);  // systemInfo, measurePeaks, measureBandwidth
void export_gguf(Napi::Env env, Napi::Object exports);    // formats, readGguf, readSafetensors, createWriter
void export_exit(Napi::Env env, Napi::Object exports);    // exitNow
void export_image(Napi::Env env, Napi::Object exports);   // resize, cutImage
void export_model(Napi::Env env, Napi::Object exports);   // openModel, createLoading, createSampler, createVocabulary

/// createVocabulary; part of export_model, which makes the set of constructors.
void export_constrain(Napi::Env env, Napi::Object exports, Classes* classes);

}  // namespace owl3::addon
