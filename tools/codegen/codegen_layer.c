/* A Vulkan layer that shows what a driver's compiler makes of compute pipelines, also on a device that cannot run them.

   It appends lines of JSON to the file that RENO_CODEGEN_OUT names. For each device: the names of device and driver, and whether
   the driver answers, that is, has VK_KHR_pipeline_executable_properties. For each compute pipeline, in the order of creation: the
   statistics of that extension by name, and the text of the internal representation whose name contains "assembly" (empty where
   the driver gives none). With RENO_CODEGEN_RUN unset, command buffers and queues do nothing: Mesa's null AMD device cannot
   record them. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vulkan/vk_layer.h>
#include <vulkan/vulkan.h>

static PFN_vkGetInstanceProcAddr next_instance_proc;
static PFN_vkGetDeviceProcAddr next_device_proc;
static VkInstance the_instance;
static int answers;
static PFN_vkCreateComputePipelines next_create_pipelines;
static PFN_vkGetPipelineExecutablePropertiesKHR get_executables;
static PFN_vkGetPipelineExecutableStatisticsKHR get_statistics;
static PFN_vkGetPipelineExecutableInternalRepresentationsKHR get_representations;

static VkResult does_nothing(void) { return VK_SUCCESS; }

static void print_text(FILE *out, const char *text, size_t length) {
  fputc('"', out);
  for (size_t i = 0; i < length && text[i]; i++) {
    unsigned char c = (unsigned char)text[i];
    if (c == '"' || c == '\\') fprintf(out, "\\%c", c);
    else if (c == '\n') fputs("\\n", out);
    else if (c < 32 || c > 126) fprintf(out, "\\u%04x", c);
    else fputc(c, out);
  }
  fputc('"', out);
}

static void print_statistics(FILE *out, VkDevice device, const VkPipelineExecutableInfoKHR *which) {
  uint32_t count = 0;
  get_statistics(device, which, &count, NULL);
  VkPipelineExecutableStatisticKHR *list = calloc(count ? count : 1, sizeof *list);
  for (uint32_t i = 0; i < count; i++) list[i].sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_STATISTIC_KHR;
  get_statistics(device, which, &count, list);
  fputs("\"statistics\":{", out);
  for (uint32_t i = 0; i < count; i++) {
    if (i) fputc(',', out);
    print_text(out, list[i].name, sizeof list[i].name);
    switch (list[i].format) {
      case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_FLOAT64_KHR: fprintf(out, ":%g", list[i].value.f64); break;
      case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_INT64_KHR: fprintf(out, ":%lld", (long long)list[i].value.i64); break;
      case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_BOOL32_KHR: fprintf(out, ":%u", list[i].value.b32); break;
      default: fprintf(out, ":%llu", (unsigned long long)list[i].value.u64);
    }
  }
  fputc('}', out);
  free(list);
}

static void print_assembly(FILE *out, VkDevice device, const VkPipelineExecutableInfoKHR *which) {
  uint32_t count = 0;
  get_representations(device, which, &count, NULL);
  VkPipelineExecutableInternalRepresentationKHR *list = calloc(count ? count : 1, sizeof *list);
  for (uint32_t i = 0; i < count; i++) list[i].sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INTERNAL_REPRESENTATION_KHR;
  get_representations(device, which, &count, list);
  for (uint32_t i = 0; i < count; i++) list[i].pData = list[i].dataSize ? malloc(list[i].dataSize) : NULL;
  get_representations(device, which, &count, list);
  fputs("\"assembly\":", out);
  int found = 0;
  for (uint32_t i = 0; i < count; i++) {
    if (!found && list[i].isText && list[i].pData && strcasestr(list[i].name, "assembly")) {
      print_text(out, list[i].pData, list[i].dataSize);
      found = 1;
    }
    free(list[i].pData);
  }
  if (!found) fputs("\"\"", out);
  free(list);
}

static FILE *open_out(void) {
  const char *path = getenv("RENO_CODEGEN_OUT");
  return path ? fopen(path, "a") : NULL;
}

static void print_device(PFN_vkGetInstanceProcAddr instance_proc, VkPhysicalDevice physical) {
  FILE *out = open_out();
  if (!out) return;
  VkPhysicalDeviceDriverProperties driver = {VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES};
  VkPhysicalDeviceProperties2 properties = {VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, &driver};
  ((PFN_vkGetPhysicalDeviceProperties2)instance_proc(the_instance, "vkGetPhysicalDeviceProperties2"))(physical, &properties);
  fputs("{\"device\":", out);
  print_text(out, properties.properties.deviceName, sizeof properties.properties.deviceName);
  fputs(",\"driver\":", out);
  print_text(out, driver.driverName, sizeof driver.driverName);
  fputs(",\"version\":", out);
  print_text(out, driver.driverInfo, sizeof driver.driverInfo);
  fprintf(out, ",\"answers\":%s}\n", answers ? "true" : "false");
  fclose(out);
}

static void print_pipeline(VkDevice device, VkPipeline pipeline) {
  FILE *out = open_out();
  if (!out) return;
  VkPipelineInfoKHR info = {VK_STRUCTURE_TYPE_PIPELINE_INFO_KHR, NULL, pipeline};
  uint32_t executables = 0;
  get_executables(device, &info, &executables, NULL);
  VkPipelineExecutableInfoKHR which = {VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INFO_KHR, NULL, pipeline, 0};
  fputc('{', out);
  if (executables > 0) {
    print_statistics(out, device, &which);
    fputc(',', out);
    print_assembly(out, device, &which);
  }
  fputs("}\n", out);
  fclose(out);
}

static VKAPI_ATTR VkResult VKAPI_CALL create_pipelines(VkDevice device, VkPipelineCache cache, uint32_t count,
    const VkComputePipelineCreateInfo *infos, const VkAllocationCallbacks *allocator, VkPipeline *pipelines) {
  if (!answers) return next_create_pipelines(device, cache, count, infos, allocator, pipelines);
  VkComputePipelineCreateInfo *copies = malloc(count * sizeof *copies);
  memcpy(copies, infos, count * sizeof *copies);
  for (uint32_t i = 0; i < count; i++) {
    copies[i].flags |= VK_PIPELINE_CREATE_CAPTURE_STATISTICS_BIT_KHR | VK_PIPELINE_CREATE_CAPTURE_INTERNAL_REPRESENTATIONS_BIT_KHR;
  }
  VkResult result = next_create_pipelines(device, cache, count, copies, allocator, pipelines);
  for (uint32_t i = 0; result == VK_SUCCESS && i < count; i++) print_pipeline(device, pipelines[i]);
  free(copies);
  return result;
}

static VKAPI_ATTR VkResult VKAPI_CALL create_instance(
    const VkInstanceCreateInfo *info, const VkAllocationCallbacks *allocator, VkInstance *instance) {
  VkLayerInstanceCreateInfo *link = (VkLayerInstanceCreateInfo *)info->pNext;
  while (link && !(link->sType == VK_STRUCTURE_TYPE_LOADER_INSTANCE_CREATE_INFO && link->function == VK_LAYER_LINK_INFO)) {
    link = (VkLayerInstanceCreateInfo *)link->pNext;
  }
  if (!link) return VK_ERROR_INITIALIZATION_FAILED;
  next_instance_proc = link->u.pLayerInfo->pfnNextGetInstanceProcAddr;
  link->u.pLayerInfo = link->u.pLayerInfo->pNext;
  VkResult result = ((PFN_vkCreateInstance)next_instance_proc(NULL, "vkCreateInstance"))(info, allocator, instance);
  the_instance = *instance;
  return result;
}

/* Whether the driver can say what its compiler did. */
static int has_statistics(PFN_vkGetInstanceProcAddr instance_proc, VkPhysicalDevice physical) {
  PFN_vkEnumerateDeviceExtensionProperties enumerate =
      (PFN_vkEnumerateDeviceExtensionProperties)instance_proc(the_instance, "vkEnumerateDeviceExtensionProperties");
  uint32_t count = 0;
  enumerate(physical, NULL, &count, NULL);
  VkExtensionProperties *list = calloc(count ? count : 1, sizeof *list);
  enumerate(physical, NULL, &count, list);
  int found = 0;
  for (uint32_t i = 0; i < count; i++) {
    if (!strcmp(list[i].extensionName, VK_KHR_PIPELINE_EXECUTABLE_PROPERTIES_EXTENSION_NAME)) found = 1;
  }
  free(list);
  if (!found) return 0;
  VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR feature = {
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PIPELINE_EXECUTABLE_PROPERTIES_FEATURES_KHR};
  VkPhysicalDeviceFeatures2 features = {VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, &feature};
  ((PFN_vkGetPhysicalDeviceFeatures2)instance_proc(the_instance, "vkGetPhysicalDeviceFeatures2"))(physical, &features);
  return feature.pipelineExecutableInfo == VK_TRUE;
}

static VKAPI_ATTR VkResult VKAPI_CALL create_device(VkPhysicalDevice physical, const VkDeviceCreateInfo *info,
    const VkAllocationCallbacks *allocator, VkDevice *device) {
  VkLayerDeviceCreateInfo *link = (VkLayerDeviceCreateInfo *)info->pNext;
  while (link && !(link->sType == VK_STRUCTURE_TYPE_LOADER_DEVICE_CREATE_INFO && link->function == VK_LAYER_LINK_INFO)) {
    link = (VkLayerDeviceCreateInfo *)link->pNext;
  }
  if (!link) return VK_ERROR_INITIALIZATION_FAILED;
  PFN_vkGetInstanceProcAddr instance_proc = link->u.pLayerInfo->pfnNextGetInstanceProcAddr;
  next_device_proc = link->u.pLayerInfo->pfnNextGetDeviceProcAddr;
  link->u.pLayerInfo = link->u.pLayerInfo->pNext;
  answers = has_statistics(instance_proc, physical);
  print_device(instance_proc, physical);
  VkDeviceCreateInfo wider = *info;
  const char **names = malloc((info->enabledExtensionCount + 1) * sizeof *names);
  memcpy(names, info->ppEnabledExtensionNames, info->enabledExtensionCount * sizeof *names);
  names[info->enabledExtensionCount] = VK_KHR_PIPELINE_EXECUTABLE_PROPERTIES_EXTENSION_NAME;
  VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR wanted = {
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PIPELINE_EXECUTABLE_PROPERTIES_FEATURES_KHR, (void *)info->pNext, VK_TRUE};
  if (answers) {
    wider.enabledExtensionCount++;
    wider.ppEnabledExtensionNames = names;
    wider.pNext = &wanted;
  }
  VkResult result = ((PFN_vkCreateDevice)instance_proc(the_instance, "vkCreateDevice"))(physical, &wider, allocator, device);
  free(names);
  if (result == VK_SUCCESS) {
    next_create_pipelines = (PFN_vkCreateComputePipelines)next_device_proc(*device, "vkCreateComputePipelines");
    get_executables = (PFN_vkGetPipelineExecutablePropertiesKHR)next_device_proc(*device, "vkGetPipelineExecutablePropertiesKHR");
    get_statistics = (PFN_vkGetPipelineExecutableStatisticsKHR)next_device_proc(*device, "vkGetPipelineExecutableStatisticsKHR");
    get_representations = (PFN_vkGetPipelineExecutableInternalRepresentationsKHR)next_device_proc(
        *device, "vkGetPipelineExecutableInternalRepresentationsKHR");
  }
  return result;
}

static const char *const NOTHING[] = {"vkBeginCommandBuffer", "vkEndCommandBuffer", "vkQueueSubmit", "vkQueueSubmit2",
    "vkQueueWaitIdle", "vkDeviceWaitIdle", "vkWaitForFences", "vkGetFenceStatus", "vkResetFences", "vkResetCommandPool"};

PFN_vkVoidFunction VKAPI_CALL null_device_proc(VkDevice device, const char *name);

static PFN_vkVoidFunction ours(const char *name) {
  if (!strcmp(name, "vkCreateInstance")) return (PFN_vkVoidFunction)create_instance;
  if (!strcmp(name, "vkCreateDevice")) return (PFN_vkVoidFunction)create_device;
  if (!strcmp(name, "vkCreateComputePipelines")) return (PFN_vkVoidFunction)create_pipelines;
  if (!strcmp(name, "vkGetDeviceProcAddr")) return (PFN_vkVoidFunction)null_device_proc;
  if (getenv("RENO_CODEGEN_RUN")) return NULL;
  if (!strncmp(name, "vkCmd", 5)) return (PFN_vkVoidFunction)does_nothing;
  for (size_t i = 0; i < sizeof NOTHING / sizeof *NOTHING; i++) {
    if (!strcmp(name, NOTHING[i])) return (PFN_vkVoidFunction)does_nothing;
  }
  return NULL;
}

VK_LAYER_EXPORT PFN_vkVoidFunction VKAPI_CALL null_device_proc(VkDevice device, const char *name) {
  PFN_vkVoidFunction found = ours(name);
  return found ? found : next_device_proc(device, name);
}

VK_LAYER_EXPORT PFN_vkVoidFunction VKAPI_CALL null_instance_proc(VkInstance instance, const char *name) {
  if (!strcmp(name, "vkGetInstanceProcAddr")) return (PFN_vkVoidFunction)null_instance_proc;
  PFN_vkVoidFunction found = ours(name);
  return found ? found : next_instance_proc(instance, name);
}
