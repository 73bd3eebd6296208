// Owns the page of a receipt: one HTML file that needs nothing else, no network either. What it shows is data, as JSON;
// how it looks stands in report/, which CMake puts into the program.
#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <vector>

#include "contract/contract.h"
#include "contract/receipt.h"

namespace tercet::contract {

// What the page is drawn from: `receipt` as it was written, less the logits, which `logits` has in fewer bytes; `contracts`
// with the claims and reasons of those that are here; and `verification`, of now.
boost::json::object report_data(const Receipt& receipt, const std::vector<Contract>& contracts);

// The page. The receipt comes from anywhere: no text of it can end the JSON that it is in, and the page's own scripts are
// the only ones that a browser will run.
std::string report_page(const boost::json::object& data);

}  // namespace tercet::contract
