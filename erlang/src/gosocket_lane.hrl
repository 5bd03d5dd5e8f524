%% What a lane knows besides the path of a call, whose state is in the arguments of its loop: a record of all of it
%% would be made anew for each call.
-record(lane,
        {parent :: pid(),
         node = node() :: node(),
         guardian :: pid(),
         home :: gosocket_handle:home(),
         port :: port(),
         hello :: gosocket_helper:hello(),
         selects :: gosocket_selects:selects(),
         settings :: gosocket_setting:table(),
         sockets = #{} :: #{non_neg_integer() => {gosocket_handle:handle(), Registered :: boolean(), Born :: integer()}},
         liveness = gosocket_liveness:new() :: gosocket_liveness:liveness(),
         far = gosocket_far:new() :: gosocket_far:far(),
         %% whether processes died since the last tick, and calls of dead processes
         deaths = false :: boolean(),
         orphans = [] :: [non_neg_integer()],
         %% whether there has been a copy of what follows a receive
         ahead = false :: boolean(),
         loading = none :: gosocket_reload:loading() | none,
         ticking = false :: boolean()}).
