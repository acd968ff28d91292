#if (N >= 1) || M
#if N <= 2
${-1}
#endif
#else
${N != 3}
#endif
// a comment with ${N}
