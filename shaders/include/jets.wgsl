// activate_jet: the activation of a row's jets at four points, by the chain rule; no memory. Columns: value, derivatives
// along the coordinates${ ", Laplacian" if laplacian }.
alias Jet = array<vec4<f32>, ${ columns }>;
//# set slopes_end = columns - 1 if laplacian else columns

fn activate_jet(code: u32, at: Jet, a: f32, b: f32) -> Jet {
    let u = at[0];
    var jet = at;
    let s = activate(code, u, a, b);
    let s1 = slope(code, u, a, b);
    jet[0] = s;
//# for k in range(1, columns)
    jet[${ k }] = s1 * at[${ k }];
//# endfor
//# if laplacian
    var squares = at[1] * at[1];
//# for k in range(2, slopes_end)
    squares = fma(at[${ k }], at[${ k }], squares);
//# endfor
    jet[${ columns - 1 }] = fma(curvature(code, u, s, s1, a, b), squares, jet[${ columns - 1 }]);
//# endif
    return jet;
}
//# if adjoint

// activate_jet_vjp: its adjoint at those jets, from the gradient with respect to its result to that with respect to them.
fn activate_jet_vjp(code: u32, at: Jet, gradient: Jet, a: f32, b: f32) -> Jet {
    let u = at[0];
    var jet = gradient;
    let s = activate(code, u, a, b);
    let s1 = slope(code, u, a, b);
    let s2 = curvature(code, u, s, s1, a, b);
    var along = at[1] * gradient[1];
//# for k in range(2, slopes_end)
    along = fma(at[${ k }], gradient[${ k }], along);
//# endfor
//# for k in range(columns)
    jet[${ k }] = s1 * gradient[${ k }];
//# endfor
    jet[0] = fma(s2, along, jet[0]);
//# if laplacian
    let above = gradient[${ columns - 1 }];
    var squares = at[1] * at[1];
//# for k in range(2, slopes_end)
    squares = fma(at[${ k }], at[${ k }], squares);
//# endfor
    jet[0] = fma(fma(s2, at[${ columns - 1 }], third(code, u, s, s1, s2, a, b) * squares), above, jet[0]);
//# for k in range(1, slopes_end)
    jet[${ k }] = fma(2.0 * s2 * at[${ k }], above, jet[${ k }]);
//# endfor
//# endif
    return jet;
}
//# endif
