#include "bridge.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

// Defined in Go.
extern void qvLog(int level, char * text);
extern bool qvProgress(float fraction, uintptr_t handle);

static void log_to_go(enum ggml_log_level level, const char * text, void * user_data) {
    (void) user_data;
    qvLog((int) level, (char *) text);
}

void qv_install_log(void) {
    llama_log_set(log_to_go, NULL);
    ggml_log_set(log_to_go, NULL);
}

static bool progress_to_go(float fraction, void * user_data) {
    return qvProgress(fraction, (uintptr_t) user_data);
}

void qv_set_progress(struct llama_model_params * params, uintptr_t handle) {
    params->progress_callback           = progress_to_go;
    params->progress_callback_user_data = (void *) handle;
}

void qv_watch_stop(qv_watch * w, int32_t stop) {
    __atomic_store_n(&w->stop, stop, __ATOMIC_RELEASE);
}

uint64_t qv_watch_beats(const qv_watch * w) {
    return __atomic_load_n(&w->beats, __ATOMIC_RELAXED);
}

bool qv_watch_poll(void * watch) {
    qv_watch * w = watch;
    __atomic_store_n(&w->beats, w->beats + 1, __ATOMIC_RELAXED);
    return __atomic_load_n(&w->stop, __ATOMIC_ACQUIRE) != 0;
}

void qv_set_watch(struct llama_context * ctx, qv_watch * watch) {
    llama_set_abort_callback(ctx, qv_watch_poll, watch);
}

ggml_backend_reg_t qv_load_backend(const char * base, const char * library, char * err, size_t err_size) {
    err[0]        = 0;
    void * handle = dlopen(base, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        snprintf(err, err_size, "%s", dlerror());
        return NULL;
    }
    void (*log_set)(ggml_log_callback, void *) = (void (*)(ggml_log_callback, void *)) dlsym(handle, "ggml_log_set");
    if (log_set) {
        log_set(log_to_go, NULL);
    }
    return ggml_backend_load(library);
}

void qv_backend_features(ggml_backend_reg_t reg, char * buf, size_t size) {
    buf[0] = 0;
    ggml_backend_get_features_t get = (ggml_backend_get_features_t) ggml_backend_reg_get_proc_address(reg, "ggml_backend_get_features");
    if (!get) {
        return;
    }
    size_t used = 0;
    for (struct ggml_backend_feature * f = get(reg); f->name && used < size; f++) {
        used += (size_t) snprintf(buf + used, size - used, "%s=%s ", f->name, f->value);
    }
}
