/* FNV-1a, 32 bits: http://www.isthe.com/chongo/tech/comp/fnv/ */
#include <erl_nif.h>
#include <stdint.h>

static ERL_NIF_TERM hash(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    ErlNifBinary text;
    uint32_t sum = 2166136261u;

    (void)argc;
    if (!enif_inspect_binary(env, argv[0], &text))
        return enif_make_badarg(env);
    for (size_t i = 0; i < text.size; i++)
        sum = (sum ^ text.data[i]) * 16777619u;
    return enif_make_uint(env, sum);
}

static ErlNifFunc functions[] = {{"hash", 1, hash, 0}};

ERL_NIF_INIT(relx_nif_fnv, functions, NULL, NULL, NULL, NULL)
