"""The names of vocabulary version 1, in the order of their numbers. Never edit: a change is a new version."""

_TEXT = """
result argument block region symbol type:tensor type:memref type:vector type:scalar:index type:other
type:other:!llvm.ptr type:other:!llvm.array type:other:!llvm.struct type:scalar:i1 type:scalar:i8 type:scalar:i16
type:scalar:i32 type:scalar:i64 type:scalar:f16 type:scalar:bf16 type:scalar:f32 type:scalar:f64 type:function
type:tuple type:complex constant:int constant:float constant:dense constant:other attribute:value
attribute:predicate attribute:fastmath attribute:overflowFlags attribute:indexing_maps attribute:iterator_types
attribute:operandSegmentSizes attribute:alignment attribute:inbounds attribute:in_bounds attribute:permutation_map
attribute:static_sizes attribute:static_offsets attribute:static_strides attribute:staticLowerBound
attribute:staticUpperBound attribute:staticStep attribute:lowerBoundMap attribute:upperBoundMap attribute:step
attribute:map attribute:condition attribute:kind attribute:dimension attribute:dimensions attribute:dilations
attribute:strides attribute:permutation attribute:reassociation attribute:position attribute:mask
attribute:static_position attribute:elem_type attribute:rawConstantIndices attribute:noWrapFlags attribute:ordering
attribute:nontemporal attribute:nofold attribute:isExact attribute:branch_weights builtin.module
builtin.unrealized_conversion_cast func.call func.call_indirect func.constant func.func func.return cf.assert cf.br
cf.cond_br cf.switch arith.addf arith.addi arith.addui_extended arith.andi arith.bitcast arith.ceildivsi
arith.ceildivui arith.cmpf arith.cmpi arith.constant arith.divf arith.divsi arith.divui arith.extf arith.extsi
arith.extui arith.floordivsi arith.fptosi arith.fptoui arith.index_cast arith.index_castui arith.maximumf
arith.maxnumf arith.maxsi arith.maxui arith.minimumf arith.minnumf arith.minsi arith.minui arith.mulf arith.muli
arith.mulsi_extended arith.mului_extended arith.negf arith.ori arith.remf arith.remsi arith.remui arith.scaling_extf
arith.scaling_truncf arith.select arith.shli arith.shrsi arith.shrui arith.sitofp arith.subf arith.subi arith.truncf
arith.trunci arith.uitofp arith.xori math.absf math.absi math.acos math.acosh math.asin math.asinh math.atan
math.atan2 math.atanh math.cbrt math.ceil math.clampf math.copysign math.cos math.cosh math.ctlz math.ctpop
math.cttz math.erf math.erfc math.exp math.exp2 math.expm1 math.floor math.fma math.fpowi math.ipowi math.isfinite
math.isinf math.isnan math.isnormal math.log math.log10 math.log1p math.log2 math.powf math.round math.roundeven
math.rsqrt math.sin math.sincos math.sinh math.sqrt math.tan math.tanh math.trunc index.add index.and
index.bool.constant index.casts index.castu index.ceildivs index.ceildivu index.cmp index.constant index.divs
index.divu index.floordivs index.maxs index.maxu index.mins index.minu index.mul index.or index.rems index.remu
index.shl index.shrs index.shru index.sizeof index.sub index.xor complex.abs complex.add complex.angle complex.atan2
complex.bitcast complex.conj complex.constant complex.cos complex.create complex.div complex.eq complex.exp
complex.expm1 complex.im complex.log complex.log1p complex.mul complex.neg complex.neq complex.pow complex.powi
complex.re complex.rsqrt complex.sign complex.sin complex.sqrt complex.sub complex.tan complex.tanh scf.condition
scf.execute_region scf.for scf.forall scf.forall.in_parallel scf.if scf.index_switch scf.parallel scf.reduce
scf.reduce.return scf.while scf.yield affine.apply affine.delinearize_index affine.for affine.if
affine.linearize_index affine.load affine.max affine.min affine.parallel affine.prefetch affine.store
affine.vector_load affine.vector_store affine.yield linalg.abs linalg.add linalg.batch_matmul linalg.batch_matvec
linalg.batch_mmt4d linalg.batch_reduce_matmul linalg.batch_vecmat linalg.broadcast linalg.ceil linalg.contract
linalg.conv_1d linalg.conv_1d_ncw_fcw linalg.conv_1d_nwc_wcf linalg.conv_2d linalg.conv_2d_nchw_fchw
linalg.conv_2d_nchw_fchw_q linalg.conv_2d_ngchw_fgchw linalg.conv_2d_ngchw_gfchw linalg.conv_2d_ngchw_gfchw_q
linalg.conv_2d_nhwc_fhwc linalg.conv_2d_nhwc_fhwc_q linalg.conv_2d_nhwc_hwcf linalg.conv_2d_nhwc_hwcf_q
linalg.conv_2d_nhwgc_gfhwc linalg.conv_2d_nhwgc_gfhwc_q linalg.conv_3d linalg.conv_3d_ncdhw_fcdhw
linalg.conv_3d_ndhwc_dhwcf linalg.conv_3d_ndhwc_dhwcf_q linalg.copy linalg.depthwise_conv_1d_ncw_cw
linalg.depthwise_conv_1d_nwc_wc linalg.depthwise_conv_1d_nwc_wcm linalg.depthwise_conv_2d_nchw_chw
linalg.depthwise_conv_2d_nhwc_hwc linalg.depthwise_conv_2d_nhwc_hwc_q linalg.depthwise_conv_2d_nhwc_hwcm
linalg.depthwise_conv_2d_nhwc_hwcm_q linalg.depthwise_conv_3d_ncdhw_cdhw linalg.depthwise_conv_3d_ndhwc_dhwc
linalg.depthwise_conv_3d_ndhwc_dhwcm linalg.div linalg.div_unsigned linalg.dot linalg.elementwise linalg.erf
linalg.exp linalg.fill linalg.fill_rng_2d linalg.floor linalg.generic linalg.index linalg.log linalg.map
linalg.matmul linalg.matvec linalg.max linalg.min linalg.mmt4d linalg.mul linalg.negf linalg.pack
linalg.pooling_nchw_max linalg.pooling_nchw_sum linalg.pooling_ncw_max linalg.pooling_ncw_sum
linalg.pooling_ndhwc_max linalg.pooling_ndhwc_min linalg.pooling_ndhwc_sum linalg.pooling_nhwc_max
linalg.pooling_nhwc_max_unsigned linalg.pooling_nhwc_min linalg.pooling_nhwc_min_unsigned linalg.pooling_nhwc_sum
linalg.pooling_nwc_max linalg.pooling_nwc_max_unsigned linalg.pooling_nwc_min linalg.pooling_nwc_min_unsigned
linalg.pooling_nwc_sum linalg.powf linalg.quantized_batch_matmul linalg.quantized_matmul linalg.reciprocal
linalg.reduce linalg.round linalg.rsqrt linalg.select linalg.softmax linalg.sqrt linalg.square linalg.sub
linalg.tanh linalg.transpose linalg.unpack linalg.vecmat linalg.winograd_filter_transform
linalg.winograd_input_transform linalg.winograd_output_transform linalg.yield tensor.bitcast tensor.cast
tensor.collapse_shape tensor.concat tensor.dim tensor.empty tensor.expand_shape tensor.extract tensor.extract_slice
tensor.from_elements tensor.gather tensor.generate tensor.insert tensor.insert_slice tensor.pad
tensor.parallel_insert_slice tensor.rank tensor.reshape tensor.scatter tensor.splat tensor.yield memref.alloc
memref.alloca memref.alloca_scope memref.alloca_scope.return memref.assume_alignment memref.atomic_rmw
memref.atomic_yield memref.cast memref.collapse_shape memref.copy memref.dealloc memref.dim memref.distinct_objects
memref.dma_start memref.dma_wait memref.expand_shape memref.extract_aligned_pointer_as_index
memref.extract_strided_metadata memref.generic_atomic_rmw memref.get_global memref.global memref.load
memref.memory_space_cast memref.prefetch memref.rank memref.realloc memref.reinterpret_cast memref.reshape
memref.store memref.subview memref.transpose memref.view vector.bitcast vector.broadcast vector.compressstore
vector.constant_mask vector.contract vector.create_mask vector.deinterleave vector.expandload vector.extract
vector.extract_strided_slice vector.fma vector.from_elements vector.gather vector.insert vector.insert_strided_slice
vector.interleave vector.load vector.mask vector.maskedload vector.maskedstore vector.multi_reduction
vector.outerproduct vector.print vector.reduction vector.scalable.extract vector.scalable.insert vector.scan
vector.scatter vector.shape_cast vector.shuffle vector.step vector.store vector.to_elements vector.transfer_read
vector.transfer_write vector.transpose vector.type_cast vector.vscale vector.yield bufferization.alloc_tensor
bufferization.clone bufferization.dealloc bufferization.dealloc_tensor bufferization.materialize_in_destination
bufferization.to_buffer bufferization.to_tensor ub.poison ub.unreachable llvm.add llvm.addrspacecast llvm.alloca
llvm.and llvm.ashr llvm.atomicrmw llvm.bitcast llvm.br llvm.call llvm.call_intrinsic llvm.cmpxchg llvm.cond_br
llvm.dso_local_equivalent llvm.extractelement llvm.extractvalue llvm.fadd llvm.fcmp llvm.fdiv llvm.fence llvm.fmul
llvm.fneg llvm.fpext llvm.fptosi llvm.fptoui llvm.fptrunc llvm.freeze llvm.frem llvm.fsub llvm.func
llvm.getelementptr llvm.icmp llvm.indirectbr llvm.insertelement llvm.insertvalue llvm.intr.abs llvm.intr.acos
llvm.intr.asin llvm.intr.assume llvm.intr.atan llvm.intr.atan2 llvm.intr.bitreverse llvm.intr.bswap llvm.intr.ceil
llvm.intr.copysign llvm.intr.cos llvm.intr.cosh llvm.intr.ctlz llvm.intr.ctpop llvm.intr.cttz llvm.intr.exp
llvm.intr.exp10 llvm.intr.exp2 llvm.intr.expect llvm.intr.expect.with.probability llvm.intr.fabs llvm.intr.floor
llvm.intr.fma llvm.intr.fmuladd llvm.intr.frexp llvm.intr.fshl llvm.intr.fshr llvm.intr.get.active.lane.mask
llvm.intr.is.constant llvm.intr.is.fpclass llvm.intr.ldexp llvm.intr.lifetime.end llvm.intr.lifetime.start
llvm.intr.llrint llvm.intr.llround llvm.intr.log llvm.intr.log10 llvm.intr.log2 llvm.intr.lrint llvm.intr.lround
llvm.intr.masked.compressstore llvm.intr.masked.expandload llvm.intr.masked.gather llvm.intr.masked.load
llvm.intr.masked.scatter llvm.intr.masked.store llvm.intr.maximum llvm.intr.maxnum llvm.intr.memcpy
llvm.intr.memcpy.inline llvm.intr.memmove llvm.intr.memset llvm.intr.memset.inline llvm.intr.minimum
llvm.intr.minnum llvm.intr.nearbyint llvm.intr.pow llvm.intr.powi llvm.intr.prefetch llvm.intr.ptrmask
llvm.intr.rint llvm.intr.round llvm.intr.roundeven llvm.intr.sadd.sat llvm.intr.sadd.with.overflow llvm.intr.scmp
llvm.intr.sin llvm.intr.sincos llvm.intr.sinh llvm.intr.smax llvm.intr.smin llvm.intr.smul.with.overflow
llvm.intr.sqrt llvm.intr.ssa.copy llvm.intr.sshl.sat llvm.intr.ssub.sat llvm.intr.ssub.with.overflow
llvm.intr.stepvector llvm.intr.tan llvm.intr.tanh llvm.intr.trunc llvm.intr.uadd.sat llvm.intr.uadd.with.overflow
llvm.intr.ucmp llvm.intr.umax llvm.intr.umin llvm.intr.umul.with.overflow llvm.intr.ushl.sat llvm.intr.usub.sat
llvm.intr.usub.with.overflow llvm.intr.vacopy llvm.intr.vaend llvm.intr.vastart llvm.intr.vector.deinterleave2
llvm.intr.vector.extract llvm.intr.vector.insert llvm.intr.vector.interleave2 llvm.intr.vector.reduce.add
llvm.intr.vector.reduce.and llvm.intr.vector.reduce.fadd llvm.intr.vector.reduce.fmax
llvm.intr.vector.reduce.fmaximum llvm.intr.vector.reduce.fmin llvm.intr.vector.reduce.fminimum
llvm.intr.vector.reduce.fmul llvm.intr.vector.reduce.mul llvm.intr.vector.reduce.or llvm.intr.vector.reduce.smax
llvm.intr.vector.reduce.smin llvm.intr.vector.reduce.umax llvm.intr.vector.reduce.umin llvm.intr.vector.reduce.xor
llvm.intr.vscale llvm.inttoptr llvm.invoke llvm.landingpad llvm.load llvm.lshr llvm.mlir.addressof
llvm.mlir.constant llvm.mlir.global llvm.mlir.global_ctors llvm.mlir.global_dtors llvm.mlir.poison llvm.mlir.undef
llvm.mlir.zero llvm.mul llvm.or llvm.phi llvm.ptrtoint llvm.resume llvm.return llvm.sdiv llvm.select llvm.sext
llvm.shl llvm.shufflevector llvm.sitofp llvm.srem llvm.store llvm.sub llvm.switch llvm.trunc llvm.udiv llvm.uitofp
llvm.unreachable llvm.urem llvm.xor llvm.zext gpu.func gpu.launch_func gpu.barrier gpu.thread_id gpu.block_id
gpu.block_dim gpu.grid_dim gpu.return gpu.alloc gpu.memcpy
"""

NAMES: tuple[str, ...] = tuple(_TEXT.split())
