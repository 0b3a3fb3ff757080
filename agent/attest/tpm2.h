/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Of the TPM 2.0 Library Specification, part 2: what is read or made here. */
#define TPM2_ALG_RSA 0x0001
#define TPM2_ALG_AES 0x0006
#define TPM2_ALG_SHA256 0x000b
#define TPM2_ALG_NULL 0x0010
#define TPM2_ALG_ECDSA 0x0018
#define TPM2_ALG_ECC 0x0023
#define TPM2_ALG_CFB 0x0043
#define TPM2_ECC_NIST_P256 0x0003

#define TPM2_GENERATED 0xff544347
#define TPM2_ST_ATTEST_QUOTE 0x8018
#define TPM2_RH_ENDORSEMENT 0x4000000b

#define TPMA_FIXED_TPM (UINT32_C(1) << 1)
#define TPMA_FIXED_PARENT (UINT32_C(1) << 4)
#define TPMA_SENSITIVE_DATA_ORIGIN (UINT32_C(1) << 5)
#define TPMA_RESTRICTED (UINT32_C(1) << 16)
#define TPMA_DECRYPT (UINT32_C(1) << 17)
#define TPMA_SIGN (UINT32_C(1) << 18)
