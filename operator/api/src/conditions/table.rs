//! The list itself.

use super::{Reason, ReasonInfo, Status};

/// `Type "kinds" "meaning" { reason: Status "word" "meaning" … }`, once: gives the enum of types, one enum of reasons
/// a type, and the text of `docs/errors.md`.
macro_rules! conditions {
    ($( $type:ident [$($kind:literal),+] $meaning:literal {
        $( $reason:ident $status:ident $word:literal $reason_meaning:literal, )+
    } )+) => {
        /// Every condition type that an object of ours carries.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum ConditionType {
            $( #[doc = $meaning] $type, )+
        }

        impl ConditionType {
            /// Every type, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$( Self::$type, )+];

            /// As it is written in an object.
            pub fn as_str(self) -> &'static str {
                match self { $( Self::$type => stringify!($type), )+ }
            }

            /// What the type says when it is true.
            pub fn meaning(self) -> &'static str {
                match self { $( Self::$type => $meaning, )+ }
            }

            /// Kinds that carry it.
            pub fn kinds(self) -> &'static [&'static str] {
                match self { $( Self::$type => &[$($kind),+], )+ }
            }

            /// Its reasons.
            pub fn reasons(self) -> &'static [ReasonInfo] {
                match self {
                    $( Self::$type => &[$(
                        ReasonInfo { reason: $word, status: Status::$status, meaning: $reason_meaning },
                    )+], )+
                }
            }
        }

        $(
            #[doc = concat!("Reasons of the condition `", stringify!($type), "`.")]
            #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
            pub enum $type {
                $( #[doc = $reason_meaning] $reason, )+
            }

            impl Reason for $type {
                const CONDITION: ConditionType = ConditionType::$type;

                fn info(self) -> ReasonInfo {
                    match self {
                        $( Self::$reason => ReasonInfo {
                            reason: $word, status: Status::$status, meaning: $reason_meaning,
                        }, )+
                    }
                }
            }
        )+
    };
}

conditions! {
    Ready ["Workspace", "InferenceSet", "NodeClaim", "MultiRoleInference", "ModelMirror"]
        "The object does what its user asked for." {
        Ready True "Ready" "Everything is in place.",
        Progressing False "Progressing" "Work is under way; the other conditions say which.",
        Failed False "Failed" "Work can't go on; Stalled and the other conditions say why.",
        Deleting False "Deleting" "The object is being deleted.",
        UnhealthyDependents Unknown "UnhealthyDependents" "Something that the object depends on is not known to be well.",
        ReconcileFailed False "ReconcileFailed" "The last pass over a MultiRoleInference failed.",
        InvalidSpec False "InvalidSpec" "A ModelMirror lacks what it needs.",
        StaticMirror True "StaticMirror" "The user takes care of the mirrored files.",
        DownloadSucceeded True "DownloadSucceeded" "The model's files are downloaded.",
        DownloadFailed False "DownloadFailed" "The download failed; it is tried again.",
        DownloadOomKilled False "DownloadOOMKilled" "The download ran out of memory.",
        DownloadEvicted False "DownloadEvicted" "The download was evicted.",
    }
    Reconciling ["Workspace", "InferenceSet"] "The controller is working on the current generation." {
        Progressing True "Progressing" "Work is under way.",
        NewGeneration True "NewGeneration" "The object was changed and has not been dealt with yet.",
        Settled False "Settled" "There is nothing left to do.",
    }
    Stalled ["Workspace", "InferenceSet"] "The controller can't go on until somebody changes something." {
        InvalidSpec True "InvalidSpec" "What the user wrote can't be carried out; the message names the field.",
        QuotaExceeded True "QuotaExceeded" "The subscription's quota does not allow the nodes; ask for more or choose another size.",
        Unauthorized True "Unauthorized" "The operator's identity may not do what is needed.",
        Unsupported True "Unsupported" "The model, size and mode do not go together.",
        Settled False "Settled" "Nothing stands in the way.",
    }
    WorkspaceReady ["Workspace"] "The workload of the Workspace is up (the column of the first releases)." {
        Ready True "workspaceReady" "The workload is up.",
        Failed False "workspaceFailed" "The workload can't come up.",
        Pending False "workspacePending" "The workload is not up yet.",
    }
    ResourceReady ["Workspace", "RAGEngine"] "The nodes are there and can be used." {
        Success True "workspaceResourceStatusSuccess" "The nodes are there and can be used.",
        NotReady False "workspaceResourceStatusNotReady" "The nodes are not there yet, or can't be used yet.",
        Failed False "workspaceResourceStatusFailed" "The nodes can't be had.",
        NodeClaimNotReady False "NodeClaimNotReady" "A node claim is not ready.",
        NodeNotReady False "NodeNotReady" "A node is missing or not ready.",
        NodePluginsNotReady False "NodePluginsNotReady" "A node does not offer its GPUs yet.",
        ModelMirrorNotReady False "ModelMirrorNotReady" "The model's files are not mirrored yet.",
        RagEngineSuccess True "ragengineResourceStatusSuccess" "The node of a RAGEngine is there and can be used.",
        RagEngineFailed False "ragengineResourceStatusFailed" "The node of a RAGEngine can't be had.",
    }
    NodesReady ["Workspace"] "As many nodes as wanted are ready and offer their GPUs." {
        NodesReady True "NodesReady" "All nodes are ready.",
        NodeNotReady False "NodeNotReady" "A node is missing or not ready.",
        NodePluginsNotReady False "NodePluginsNotReady" "A node does not offer its GPUs yet.",
    }
    NodeClaimReady ["Workspace", "RAGEngine"] "All node claims are ready (not present with nodes that you bring)." {
        NodeClaimsReady True "NodeClaimsReady" "All node claims are ready.",
        NodeClaimNotReady False "NodeClaimNotReady" "A node claim is not ready.",
        AwaitingReconciliation False "AwaitingReconciliation" "The provisioner has not looked at a node claim yet.",
        LaunchFailed False "LaunchFailed" "The cloud refused a machine; the message carries its answer.",
        Launching False "Launching" "The cloud is making a machine.",
        QuotaExceeded False "QuotaExceeded" "The subscription's quota allows no more machines of this size; the message carries Azure's answer.",
        InsufficientCapacity False "InsufficientCapacity" "There is no machine of this size to be had now; it is asked for again.",
        Unauthorized False "Unauthorized" "The operator's identity may not make machines.",
        NodeNotFound False "NodeNotFound" "A machine exists, but its node has not joined yet.",
        MultipleNodesFound False "MultipleNodesFound" "Several nodes claim to be the same machine.",
        NodeNotReady False "NodeNotReady" "A node has joined, but is not ready.",
        StartupTaintsExist False "StartupTaintsExist" "A node still carries its start-up taints.",
        KnownEphemeralTaintsExist False "KnownEphemeralTaintsExist" "A node still carries taints of its start.",
        ResourceNotRegistered False "ResourceNotRegistered" "A node does not offer what was asked for yet.",
        PluginsInstalled True "installNodePluginsSuccess" "The node of a RAGEngine offers its GPUs.",
        CreatePending Unknown "CreateNodeClaimPending" "The claim of a RAGEngine is about to be created.",
        CreateFailed False "nodeClaimFailedCreation" "The claim of a RAGEngine can't be created.",
        CheckFailed False "checkNodeClaimStatusFailed" "The claim of a RAGEngine did not become ready.",
    }
    InferenceReady ["Workspace"] "The inference workload serves." {
        Success True "WorkspaceInferenceStatusSuccess" "The inference workload serves.",
        Pending False "WorkspaceInferenceStatusPending" "The inference workload does not serve yet.",
        Failed False "WorkspaceInferenceStatusFailed" "The inference workload can't serve.",
        ContainerOomKilled False "ContainerOOMKilled" "A container ran out of memory.",
        ImagePullError False "ImagePullError" "An image can't be pulled.",
        ContainerStartError False "ContainerStartError" "A container can't be started.",
        ContainerCrashLoopBackOff False "ContainerCrashLoopBackOff" "A container starts and ends again and again.",
        NodeDiskPressure False "NodeDiskPressure" "A pod was evicted because its node ran out of disk.",
        NodeMemoryPressure False "NodeMemoryPressure" "A pod was evicted because its node ran out of memory.",
        PodEvicted False "PodEvicted" "A pod was evicted.",
        Unschedulable False "Unschedulable" "No node takes a pod; the message carries the scheduler's answer.",
        SasTokenFetchFailed False "SASTokenFetchFailed" "The access token of the model's storage can't be had.",
        ModelStreamingStorageClassNotFound False "ModelStreamingStorageClassNotFound" "The storage class for streaming does not exist.",
        ModelStreamingInvalidStorageClass False "ModelStreamingInvalidStorageClass" "The storage class can't be used for streaming.",
        ModelStreamingServiceAccountInvalid False "ModelStreamingServiceAccountInvalid" "The service account can't be used for streaming.",
        ModelStreamingInvalidAnnotations False "ModelStreamingInvalidAnnotations" "The streaming annotations do not go together.",
        ModelMirrorCreateFailed False "ModelMirrorCreateFailed" "The model mirror can't be created.",
    }
    JobStarted ["Workspace"] "The tuning job runs." {
        Started True "WorkspaceTuningJobStatusStarted" "The tuning job runs.",
        Pending False "WorkspaceTuningJobStatusPending" "The tuning job does not run yet.",
        Failed False "WorkspaceTuningJobStatusFailed" "The tuning job failed.",
    }
    WorkspaceSucceeded ["Workspace"] "The Workspace serves, or has tuned." {
        Succeeded True "workspaceSucceeded" "The Workspace serves, or has tuned.",
        Pending False "workspacePending" "It is not there yet.",
        Failed False "workspaceFailed" "It failed.",
        BenchmarkFailed False "BenchmarkFailed" "It serves, but its benchmark gave no result.",
    }
    WorkspaceDeleting ["Workspace"] "The Workspace is being deleted." {
        Deleted True "workspaceDeleted" "Its nodes and workload are being removed.",
    }
    ScalingDownCompleted ["Workspace"] "Scaling down is done." {
        Completed True "ScalingDownCompleted" "Scaling down is done.",
    }
    BenchmarkCompleted ["Workspace", "InferenceSet"] "The start-up benchmark has a result." {
        Completed True "BenchmarkCompleted" "The result is in status.performance.",
        Failed False "BenchmarkFailed" "The benchmark gave no result.",
        Pending False "BenchmarkPending" "Not every replica has a result yet.",
    }
    ModelMirrorReady ["Workspace"] "The model's files are mirrored." {
        Ready True "ModelMirrorReady" "The model's files are mirrored.",
        Pending False "ModelMirrorPending" "The model's files are not mirrored yet.",
    }
    InferenceSetReady ["InferenceSet"] "As many replicas as wanted serve." {
        Ready True "inferencesetReady" "As many replicas as wanted serve.",
        NotReady False "inferencesetNotReady" "Some replicas do not serve.",
        Failed False "inferencesetFailed" "The set can't go on.",
    }
    InferenceSetDeleting ["InferenceSet"] "The InferenceSet is being deleted." {
        Deleted True "inferencesetDeleted" "Its replicas are being removed.",
    }
    ServiceReady ["RAGEngine"] "The retrieval service answers." {
        Success True "RAGEngineServiceSuccess" "The retrieval service answers.",
        Failed False "RAGEngineServiceStatusFailed" "The retrieval service does not answer.",
    }
    RAGEngineServiceReady ["RAGEngine"] "The retrieval service answers (KAITO's name for its failures)." {
        Failed False "RAGEngineServiceStatusFailed" "The retrieval service does not answer.",
    }
    RAGEngineSucceeded ["RAGEngine"] "The RAGEngine is up." {
        Succeeded True "ragengineSucceeded" "The RAGEngine is up.",
        Failed False "ragengineFailed" "The RAGEngine can't come up.",
    }
    RAGEngineDeleting ["RAGEngine"] "The RAGEngine is being deleted." {
        Deleted True "ragengineDeleted" "Its nodes and workload are being removed.",
    }
    PrefillReady ["MultiRoleInference"] "The prefill role serves." {
        Ready True "PrefillReady" "The prefill role serves.",
        NotReady False "PrefillNotReady" "The prefill role does not serve.",
        NotFound False "PrefillNotFound" "The prefill role does not exist yet.",
    }
    DecodeReady ["MultiRoleInference"] "The decode role serves." {
        Ready True "DecodeReady" "The decode role serves.",
        NotReady False "DecodeNotReady" "The decode role does not serve.",
        NotFound False "DecodeNotFound" "The decode role does not exist yet.",
    }
    InferencePoolReady ["MultiRoleInference"] "The inference pool is installed." {
        Ready True "InferencePoolReady" "The inference pool is installed.",
        NotReady False "InferencePoolNotReady" "The inference pool is not installed.",
    }
    Deleting ["MultiRoleInference"] "The MultiRoleInference is being deleted." {
        Deleting True "Deleting" "Its roles are being removed.",
    }
    StorageReady ["ModelMirror"] "The mirror's storage is bound." {
        Bound True "PVCBound" "The mirror's storage is bound.",
        Pending False "PVCPending" "The mirror's storage is not bound yet.",
        CreateFailed False "PVCCreateFailed" "The mirror's storage can't be created.",
        Static True "StaticMirror" "The user takes care of the storage.",
    }
    Launched ["NodeClaim"] "A machine exists." {
        Launched True "Launched" "A machine exists.",
        AwaitingReconciliation Unknown "AwaitingReconciliation" "The provisioner has not looked at the claim yet.",
        LaunchFailed Unknown "LaunchFailed" "The cloud refused the machine; the message carries its answer.",
        Launching Unknown "Launching" "The cloud is making the machine.",
        QuotaExceeded False "QuotaExceeded" "The subscription's quota allows no more machines of this size; it is asked for again.",
        InsufficientCapacity False "InsufficientCapacity" "There is no machine of this size to be had now; it is asked for again.",
        Unauthorized False "Unauthorized" "The operator's identity may not make machines.",
    }
    Registered ["NodeClaim"] "The machine's node has joined." {
        Registered True "Registered" "The node has joined.",
        AwaitingReconciliation Unknown "AwaitingReconciliation" "The provisioner has not looked at the claim yet.",
        NodeNotFound Unknown "NodeNotFound" "The node has not joined yet.",
        MultipleNodesFound False "MultipleNodesFound" "Several nodes claim to be the same machine.",
    }
    Initialized ["NodeClaim"] "The node can be used." {
        Initialized True "Initialized" "The node can be used.",
        AwaitingReconciliation Unknown "AwaitingReconciliation" "The provisioner has not looked at the claim yet.",
        NodeNotFound Unknown "NodeNotFound" "The node has not joined yet.",
        NodeNotReady Unknown "NodeNotReady" "The node is not ready.",
        StartupTaintsExist Unknown "StartupTaintsExist" "The node still carries its start-up taints.",
        KnownEphemeralTaintsExist Unknown "KnownEphemeralTaintsExist" "The node still carries taints of its start.",
        ResourceNotRegistered Unknown "ResourceNotRegistered" "The node does not offer what was asked for yet.",
    }
    Drifted ["NodeClaim"] "The machine no longer matches its claim." {
        Drifted True "Drifted" "The machine no longer matches its claim.",
    }
    Consolidatable ["NodeClaim"] "The node could be given up." {
        Consolidatable True "Consolidatable" "The node could be given up.",
    }
    Drained ["NodeClaim"] "The node's pods are gone." {
        Drained True "Drained" "The node's pods are gone.",
        Draining Unknown "Draining" "The node's pods are being evicted.",
    }
    VolumesDetached ["NodeClaim"] "The node's volumes are detached." {
        VolumesDetached True "VolumesDetached" "The node's volumes are detached.",
        AwaitingVolumeDetachment Unknown "AwaitingVolumeDetachment" "Some volumes are still attached.",
    }
    InstanceTerminating ["NodeClaim"] "The machine is being removed." {
        InstanceTerminating True "InstanceTerminating" "The machine is being removed.",
    }
    ConsistentStateFound ["NodeClaim"] "Claim, node and machine agree." {
        ConsistentStateFound True "ConsistentStateFound" "Claim, node and machine agree.",
        ConsistencyCheckFailed False "ConsistencyCheckFailed" "Claim, node and machine disagree.",
    }
    DisruptionReason ["NodeClaim"] "The claim is being replaced." {
        Drifted True "Drifted" "The machine no longer matches its claim.",
        Expired True "Expired" "The node has lived as long as it may.",
    }
}
