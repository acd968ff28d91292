// A browser without WebGPU.
delete Object.getPrototypeOf(navigator).gpu;
