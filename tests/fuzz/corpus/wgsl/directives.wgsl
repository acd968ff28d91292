#import shared/a.wgsl
#if N == 3 && !(M > 3)
yes ${N * 2 - 1}
#else
no
#endif
#for i in 0..N
#for j in 0..i
x_${i}_${j} = ${2 * i + j / 1 % 3};
#endfor
#endfor
end
