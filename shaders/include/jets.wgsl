// activate_jet: the activation of a row's jets at four points, by the chain rule; no memory. Columns: value, derivatives
// along the coordinates${ ", Laplacian" if curvatures }.
alias Jet = array<vec4<f32>, ${ columns }>;

fn activate_jet(code: u32, at: Jet, a: f32, b: f32) -> Jet {
    let u = at[0];
    var jet = at;
    let s = activate(code, u, a, b);
    let s1 = slope(code, u, a, b);
    jet[0] = s;
//# for k in range(1, columns)
    jet[${ k }] = s1 * at[${ k }];
//# endfor
//# if curvatures
    var squares = at[1] * at[1];
//# for k in range(2, columns - 1)
    squares = fma(at[${ k }], at[${ k }], squares);
//# endfor
    jet[${ columns - 1 }] = fma(curvature(code, u, s, s1, a, b), squares, jet[${ columns - 1 }]);
//# endif
    return jet;
}
