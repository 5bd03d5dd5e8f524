%% What is about the socket that a process called last. What a call looks at stands first.
-record(near,
        {self :: pid(),
         socket :: {'$socket', gosocket_handle:handle()},
         %% the persistent term that has the lane's pid while callers may call it
         door :: atom(),
         target :: {Lane :: pid(), Number :: non_neg_integer()},
         %% how much of a send goes with its first frame
         window :: pos_integer(),
         %% the requests for this length, and for a payload of this size
         length = none :: non_neg_integer() | none,
         recv = none :: binary() | none,
         size = none :: non_neg_integer() | none,
         send = none :: binary() | none,
         process :: binary(),
         place :: gosocket_handle:place(),
         known :: #gosocket_lane{}}).
